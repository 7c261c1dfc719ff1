"""How a client wants to be answered: the subject it sees and the algorithms of what it reads (OpenID Connect Registration §2)."""

from __future__ import annotations

from idp.oauth.registration.face import Concern, one_of
from idp.tokens.identity import ALGORITHMS

ANSWERS = Concern(
    {
        "id_token_signed_response_alg": one_of(*ALGORITHMS),
        "subject_type": one_of("public"),
    }
)
