"""Token exchange, and how tokens are found alive."""

from __future__ import annotations

from idp.oauth.exchange.presented import PresentedTokens
from idp.oauth.grants.face import TokenGrant
from idp.oauth.grants.token_exchange import TokenExchange
from idp.oauth.living import LivingTokens
from idp.wiring import House


def living_tokens(house: House) -> LivingTokens:
    return LivingTokens(house.database, house.access_tokens, house.revocations, house.grants, house.accounts)


def exchange_grants(house: House) -> tuple[TokenGrant, ...]:
    """The grant, where it is switched on."""
    settings = house.settings
    if settings.exchange == "off":
        return ()
    presented = PresentedTokens(
        living_tokens(house),
        house.grants,
        house.read_hint,
        house.sessions.alive,
        settings.issuer,
        house.clock,
    )
    exchange = TokenExchange(
        database=house.database,
        presented=presented,
        find_resource=house.resource_directory.find,
        details_types=house.details_types,
        issuer=house.token_issuer,
        issuer_url=settings.issuer,
        audit=house.audit,
        clock=house.clock,
        ttl=settings.exchange_ttl,
        longest=settings.exchange_depth,
    )
    return (exchange,)
