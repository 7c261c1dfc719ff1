"""Client authentication and the token endpoint with its grants."""

from __future__ import annotations

from idp.assembly.exchange import exchange_grants
from idp.assembly.senders import certificate_methods
from idp.oauth.client_auth import ClientAuthenticator
from idp.oauth.client_auth.private_key_jwt import AssertionChecker
from idp.oauth.codes import Codes
from idp.oauth.endpoints.token import TokenEndpoint
from idp.oauth.grants.authorization_code import CodeExchange
from idp.oauth.grants.client_credentials import ClientCredentials
from idp.oauth.grants.face import PersonalTokens
from idp.oauth.grants.refresh_token import RefreshGrant
from idp.oauth.sender import Senders
from idp.wiring import House


def client_authenticator(house: House) -> ClientAuthenticator:
    settings = house.settings
    assertions = AssertionChecker(
        house.database,
        house.clock,
        house.client_keys,
        issuer=settings.issuer,
        token_endpoint=settings.url("/oauth/token"),
    )
    return ClientAuthenticator(
        house.client_directory,
        house.limits,
        assertions,
        by_certificate=certificate_methods(house),
        max_failures=settings.token_max_failures,
        realm=settings.issuer,
    )


def personal_tokens(house: House) -> PersonalTokens:
    """What mints the tokens of people's grants, at the token endpoint and in authorization responses."""
    settings = house.settings
    find = house.resource_directory.find
    return PersonalTokens(
        house.token_issuer,
        settings.issuer,
        find,
        house.subjects,
        house.sealing,
        settings.access_token_ttl,
        house.details_types,
    )


def token_endpoint(house: House, authenticator: ClientAuthenticator, senders: Senders) -> TokenEndpoint:
    settings, find = house.settings, house.resource_directory.find
    tokens = personal_tokens(house)
    return TokenEndpoint(
        authenticator,
        senders,
        (
            CodeExchange(
                house.database,
                Codes(house.clock, ttl=settings.code_ttl),
                house.grants,
                house.refresh_tokens,
                house.accounts,
                house.sessions,
                tokens,
                house.audit,
            ),
            RefreshGrant(
                house.database, house.refresh_tokens, house.accounts, house.client_directory, tokens, house.audit
            ),
            ClientCredentials(house.token_issuer, find, issuer_url=settings.issuer, ttl=settings.access_token_ttl),
            *exchange_grants(house),
        ),
        house.metrics,
    )
