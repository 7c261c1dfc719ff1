"""How a client wants to be answered: the subject it sees and the algorithms of what it reads (OpenID Connect Registration §2)."""

from __future__ import annotations

from idp.oauth.registration.face import Concern, Metadata, fetched_url, one_of, refuse
from idp.oauth.sectors import sector_of
from idp.tokens.identity import ALGORITHMS


def _check(metadata: Metadata) -> None:
    if sector_of(metadata) == "":
        refuse("subject_type pairwise needs redirect_uris of one host, or a sector_identifier_uri (Core 8.1)")


ANSWERS = Concern(
    {
        "id_token_signed_response_alg": one_of(*ALGORITHMS),
        "sector_identifier_uri": fetched_url,
        "subject_type": one_of("public", "pairwise"),
    },
    _check,
)
