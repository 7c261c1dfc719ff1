"""Challenges: which schemes an API takes and, for the scheme that was used, what was wrong (RFC 9110 §11.6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True, slots=True)
class Offer:
    """What every challenge of an API says: its schemes, the proof algorithms it takes, and where its metadata is (RFC 9728 §5.1)."""

    schemes: tuple[str, ...] = (BEARER,)
    proof_algorithms: tuple[str, ...] = ()
    resource_metadata: str | None = None
    realm: str | None = None

    def challenge(self, told: Mapping[str, str], *, scheme: str | None = None) -> str:
        """The value of WWW-Authenticate: a challenge a scheme, the error in that of the scheme used, else in the first."""
        used = scheme if scheme in self.schemes else self.schemes[0]
        return ", ".join(self._one(each, told if each == used else {}) for each in self.schemes)

    def _one(self, scheme: str, told: Mapping[str, str]) -> str:
        parameters = {"realm": self.realm, **told}
        if scheme == DPOP:
            parameters["algs"] = " ".join(self.proof_algorithms)
        parameters["resource_metadata"] = self.resource_metadata
        written = ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items() if value)
        return f"{scheme} {written}".strip()


def _quoted(value: str) -> str:
    """The inside of a quoted-string; what no header may carry is dropped."""
    printable = "".join(character for character in value if " " <= character <= "~")
    return printable.replace("\\", "\\\\").replace('"', '\\"')
