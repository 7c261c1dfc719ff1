"""token_guard: validates the access tokens of an OAuth 2.x issuer at the API, without asking the issuer (RFC 9068, RFC 6750).

    guard = Guard(IssuerTrust(issuer="https://id.example", audience="https://api.example"))
    principal = guard.authenticate(request.headers.get("Authorization"))
    guard.require(principal, Needs(scopes=("payments:read",)))

The core is pure functions (`validation`); fetching and caching the issuer's keys is a separate object (`jwks_cache`); web frameworks are
adapters (`adapters`). It needs PyJWT and cryptography only.
"""

import logging

from token_guard.certificates import CertificateHeader
from token_guard.checks import Check
from token_guard.details import DetailsNeed
from token_guard.dpop import Dpop
from token_guard.errors import GuardError
from token_guard.guard import Admission, Guard
from token_guard.introspection import Introspection
from token_guard.needs import ActorPolicy, Needs, at_least
from token_guard.nonces import Nonces
from token_guard.observing import Outcome
from token_guard.presented import Presented
from token_guard.principal import Principal
from token_guard.status_cache import StatusPolicy
from token_guard.trust import ClaimMap, IssuerTrust, JwksPolicy

__all__ = [
    "ActorPolicy",
    "Admission",
    "CertificateHeader",
    "Check",
    "ClaimMap",
    "DetailsNeed",
    "Dpop",
    "Guard",
    "GuardError",
    "Introspection",
    "IssuerTrust",
    "JwksPolicy",
    "Needs",
    "Nonces",
    "Outcome",
    "Presented",
    "Principal",
    "StatusPolicy",
    "at_least",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library says nothing unless its program listens
