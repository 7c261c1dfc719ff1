"""How a client wants to be answered: the subject it sees and the algorithms of what it reads (OpenID Connect Registration §2)."""

from __future__ import annotations

from joserfc.jwk import KeySet

from idp.oauth.encryption import ALGORITHMS as ENCRYPTION_ALGORITHMS
from idp.oauth.encryption import ENCODINGS, recipient_of, wanted
from idp.oauth.registration.face import Concern, Metadata, fetched_url, one_of, refuse
from idp.oauth.sectors import sector_of
from idp.tokens.identity import ALGORITHMS


def signed_with(metadata: Metadata) -> tuple[str, ...]:
    """The algorithms that we must have keys for, to answer this client."""
    userinfo = metadata.get("userinfo_signed_response_alg")
    return (metadata.get("id_token_signed_response_alg", "RS256"), *([userinfo] if userinfo else []))


def _check(metadata: Metadata) -> None:
    for what in ("id_token", "userinfo"):
        _check_encryption(metadata, what)
    if sector_of(metadata) == "":
        refuse("subject_type pairwise needs redirect_uris of one host, or a sector_identifier_uri (Core 8.1)")


def _check_encryption(metadata: Metadata, what: str) -> None:
    encryption = wanted(metadata, what)
    if encryption is None and f"{what}_encrypted_response_enc" in metadata:
        refuse(f"{what}_encrypted_response_enc needs {what}_encrypted_response_alg")
    if encryption is None or "jwks_uri" in metadata:
        return
    if recipient_of(KeySet.import_key_set(metadata["jwks"]) if "jwks" in metadata else (), encryption.alg) is None:
        refuse(f"{what}_encrypted_response_alg needs a key in jwks that fits it, or a jwks_uri")


ANSWERS = Concern(
    {
        "id_token_encrypted_response_alg": one_of(*ENCRYPTION_ALGORITHMS),
        "id_token_encrypted_response_enc": one_of(*ENCODINGS),
        "id_token_signed_response_alg": one_of(*ALGORITHMS),
        "sector_identifier_uri": fetched_url,
        "subject_type": one_of("public", "pairwise"),
        "userinfo_encrypted_response_alg": one_of(*ENCRYPTION_ALGORITHMS),
        "userinfo_encrypted_response_enc": one_of(*ENCODINGS),
        "userinfo_signed_response_alg": one_of(*ALGORITHMS),
    },
    _check,
)
