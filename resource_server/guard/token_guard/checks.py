"""The checks by name: what metrics count, what the log says, and what `token_guard explain` gives advice about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Check(StrEnum):
    """What may refuse a request, in the order in which it is asked."""

    CREDENTIALS = "credentials"
    SHAPE = "shape"
    TYPE = "type"
    ALGORITHM = "algorithm"
    HEADER = "header"
    ISSUER = "issuer"
    CLAIMS = "claims"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIFETIME = "lifetime"
    KEY = "key"
    KEYS_AWAY = "keys_away"
    SIGNATURE = "signature"
    INACTIVE = "inactive"
    INTROSPECTION_AWAY = "introspection_away"
    BINDING = "binding"
    CERTIFICATE = "certificate"
    PROOF = "proof"
    PROOF_KEY = "proof_key"
    PROOF_REQUEST = "proof_request"
    PROOF_ATH = "proof_ath"
    PROOF_TIME = "proof_time"
    PROOF_NONCE = "proof_nonce"
    STATUS = "status"
    STATUS_AWAY = "status_away"
    SENDER = "sender"
    SCOPE = "scope"
    ROLE = "role"
    STEP_UP = "step_up"
    ACTOR = "actor"
    DETAILS = "details"
    PROOF_REPLAY = "proof_replay"
    DETAILS_USED = "details_used"
    STORE_AWAY = "store_away"


ADVICE: Mapping[Check, str] = {
    Check.CREDENTIALS: "Send one Authorization header with the scheme, one space and the token: `Authorization: Bearer eyJ...`.",
    Check.SHAPE: "Send the access token as the issuer gave it: three base64url parts of JSON, nothing cut off, wrapped or padded.",
    Check.TYPE: "Send the access token, not the ID token; an issuer whose access tokens have another `typ` needs `types` in its IssuerTrust.",
    Check.ALGORITHM: "Let the issuer sign for this API with an allowed algorithm, or allow this one in `algorithms` of its IssuerTrust.",
    Check.HEADER: "The header may carry `typ`, `alg`, a `kid` and no key, certificate or `crit` of its own; ask the issuer.",
    Check.ISSUER: "Get the token from an issuer this API trusts; `iss` must equal the trusted issuer to the letter, a final slash included.",
    Check.CLAIMS: "The issuer leaves out or misspells a claim of RFC 9068; an issuer with names of its own needs a ClaimMap.",
    Check.AUDIENCE: "Ask the issuer for a token for this API: `resource=<its identifier>` (RFC 8707); a token for another API is no use here.",
    Check.EXPIRED: "Get a new token; if that one is young, compare the clocks of the issuer and this machine.",
    Check.NOT_YET: "The token begins in the future: compare the clocks of the issuer and this machine.",
    Check.LIFETIME: "The issuer lets tokens live longer than `max_lifetime` of its IssuerTrust accepts; shorten them, or raise the limit.",
    Check.KEY: "The issuer's published keys do not have this `kid`: is it the right issuer, and was the key revoked?",
    Check.KEYS_AWAY: "The issuer's keys cannot be fetched: look at its JWKS URL from this machine, its certificate, and the firewall.",
    Check.SIGNATURE: "The token was changed on its way, or signed by somebody else; get a new one.",
    Check.INACTIVE: "The issuer says that the token is no longer good, or never was; get a new one.",
    Check.INTROSPECTION_AWAY: "The issuer's introspection endpoint does not answer: look at its URL and at this API's credentials there.",
    Check.BINDING: "Send a token that is bound to a key with the DPoP scheme and a proof, one that is not with the Bearer scheme.",
    Check.CERTIFICATE: "Call with the client certificate the token is bound to; behind a proxy, name the proxy and its header in `certificates`.",
    Check.PROOF: "Send one DPoP header: a JWT of `typ` dpop+jwt with the public `jwk`, and `jti`, `htm`, `htu`, `iat`, `ath`, signed by that key.",
    Check.PROOF_KEY: "Sign the proof with the key the token was asked for: its thumbprint is in `cnf.jkt` of the token.",
    Check.PROOF_REQUEST: "`htm` must be the method and `htu` the URL as the client sees it, without the query; behind a proxy, set `base_url`.",
    Check.PROOF_ATH: "`ath` of the proof must be the base64url SHA-256 of exactly the token that is sent.",
    Check.PROOF_TIME: "Make a new proof for each request, and compare the clocks: `iat` must be within the window.",
    Check.PROOF_NONCE: "Repeat the request with a proof whose `nonce` is the one in the DPoP-Nonce header of the answer.",
    Check.STATUS: "The token was revoked or suspended; the person must log in again, or the client ask for a new token.",
    Check.STATUS_AWAY: "The status list cannot be had or is too old, and this operation denies in doubt: look at the issuer's status URL.",
    Check.SENDER: "This operation takes only tokens that are bound to a key or a certificate: ask the issuer for one with DPoP or mutual TLS.",
    Check.SCOPE: "Ask the issuer for the scope the challenge names, and let the person consent to it.",
    Check.ROLE: "The person or service does not have the role; an administrator of the issuer gives it.",
    Check.STEP_UP: "Send the person through a login with the `acr_values` and `max_age` of the challenge (RFC 9470).",
    Check.ACTOR: "The chain of services acting for the person is too long, or has one in it that this operation does not accept.",
    Check.DETAILS: "Ask the issuer for `authorization_details` of the type, actions, place and values that this request needs (RFC 9396).",
    Check.PROOF_REPLAY: "This very proof was used before: make a new one, with a new `jti`, for each request.",
    Check.DETAILS_USED: "These authorization_details were used before: ask the person to authorize again.",
    Check.STORE_AWAY: "The store that remembers what was used does not answer: look at its database or Redis.",
}
"""What to do about each, for the people who run the client, the API or the issuer; callers never see it."""
