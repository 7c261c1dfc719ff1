"""Dynamic client registration, where it is switched on."""

from __future__ import annotations

from idp.oauth import scopes
from idp.oauth.dynamic import DynamicRegistration, Terms
from idp.oauth.endpoints.register import METHODS, PATH, RegistrationEndpoint
from idp.oauth.software_statements import SoftwareStatements
from idp.platform.web import Route
from idp.wiring import House


def registration_routes(house: House) -> list[Route]:
    """The one route, or none."""
    settings = house.settings
    if settings.registration == "closed":
        return []
    gated = settings.registration == "token"
    trusted = dict(settings.software_statement_issuers)
    registration = DynamicRegistration(
        database=house.database,
        clock=house.clock,
        store=house.client_store,
        tokens=house.registration_tokens if gated else None,
        statements=SoftwareStatements(house.remote_keys, house.clock, settings.issuer, trusted),
        terms=Terms(
            profile=settings.registration_profile,
            scope=scopes.parse(settings.registration_scope),
            audience=settings.registration_audience,
            services=gated,
        ),
        ensure_keys=house.keyring.ensure,
        rules=house.registration_rules,
    )
    endpoint = RegistrationEndpoint(registration, house.limits, settings.url(PATH), settings.registration_max)
    return [Route(PATH, endpoint, METHODS, cors=True)]
