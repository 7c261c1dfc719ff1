"""Every kind of problem the APIs answer with: one row here, one page at `/problems/{code}` (RFC 9457 §3.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. `statuses` it comes with; `retryable`: the same request may pass later; `help`: what to do about it."""

    title: str
    statuses: tuple[int, ...]
    help: str
    retryable: bool = False


_TOKEN = "Get a new access token from the issuer that the protected resource metadata names, and send it as Authorization: Bearer or DPoP."  # noqa: S105
_REQUEST: Mapping[str, Kind] = {
    "malformed": Kind("Malformed request", (400,), "The request is not well-formed: check its encoding and its JSON."),
    "invalid_parameter": Kind("Invalid parameter", (400,), "A query parameter is out of its bounds."),
    "invalid_page_token": Kind(
        "Invalid page token", (400,), "Use next_page_token as it was given, with the same filters, or begin anew."
    ),
    "idempotency_key_missing": Kind(
        "No Idempotency-Key",
        (400,),
        "Send an Idempotency-Key: any text of your own, new for each new thing you want done.",
    ),
    "invalid_idempotency_key": Kind(
        "Invalid Idempotency-Key", (400,), "An Idempotency-Key has 1 to 255 printable ASCII characters."
    ),
    "idempotency_key_reused": Kind(
        "Idempotency-Key used before", (422,), "The key belongs to another request. Take a new one."
    ),
    "request_in_progress": Kind(
        "A twin is running",
        (409,),
        "The first request with this Idempotency-Key is not finished. Repeat it after Retry-After.",
        retryable=True,
    ),
    "not_found": Kind("Not found", (404,), "There is no such thing, or it is not yours to see."),
    "unknown_version": Kind("Unknown version", (404,), "Use one of the versions listed."),
    "version_gone": Kind(
        "Version gone",
        (410,),
        "Move to the version that follows; the migration link says how. During a brownout the old one comes back after Retry-After.",
    ),
    "method_not_allowed": Kind("Method not allowed", (405,), "Use one of the methods in Allow."),
    "not_acceptable": Kind(
        "Not acceptable",
        (406,),
        "The APIs answer application/json, and application/problem+json when something is wrong.",
    ),
    "request_entity_too_large": Kind("Body too large", (413,), "A body has at most 64 kB."),
    "unsupported_media_type": Kind(
        "Unsupported media type", (415,), "Send application/json; a change is sent as application/merge-patch+json."
    ),
    "invalid": Kind("Invalid content", (422,), "The body is JSON but does not fit; errors says where."),
    "precondition_required": Kind("Version not said", (428,), "Send the ETag of the version you saw in If-Match."),
    "precondition_failed": Kind("Changed meanwhile", (412,), "Somebody changed it. Read it again and decide anew."),
    "too_many_requests": Kind(
        "Too many requests", (429,), "Wait for Retry-After. RateLimit says how much is left.", retryable=True
    ),
    "internal": Kind("Our mistake", (500,), "Something went wrong on our side. Tell us the trace id."),
    "unavailable": Kind("Busy", (503,), "Repeat it after Retry-After.", retryable=True),
    "deadline_passed": Kind(
        "Too late",
        (503,),
        "The seconds in Request-Timeout were over. Repeat it with the same Idempotency-Key and more of them.",
        retryable=True,
    ),
}
_CALLER: Mapping[str, Kind] = {
    "unauthorized": Kind("No access token", (401,), _TOKEN),
    "invalid_request": Kind(
        "Malformed credentials", (400,), "The Authorization header holds one scheme and one token."
    ),
    "invalid_token": Kind("Invalid access token", (401,), _TOKEN),
    "invalid_dpop_proof": Kind("Invalid DPoP proof", (401,), "Make a new proof for this very request (RFC 9449)."),
    "use_dpop_nonce": Kind(
        "DPoP nonce needed", (401,), "Make a new proof with the nonce of this answer.", retryable=True
    ),
    "insufficient_scope": Kind(
        "Scope missing", (403,), "Ask the person to allow your app the scope named in the challenge."
    ),
    "access_denied": Kind("Not allowed", (403,), "The caller's role does not allow this."),
    "insufficient_authorization_details": Kind(
        "Not allowed in detail", (403,), "The token allows in detail something else, or it was used before (RFC 9396)."
    ),
    "insufficient_user_authentication": Kind(
        "Fresh login needed",
        (401,),
        "Send the person to log in again with the acr_values and max_age of the challenge (RFC 9470).",
    ),
    "temporarily_unavailable": Kind(
        "Cannot check the token", (503,), "The token may be good; repeat it after Retry-After.", retryable=True
    ),
}
_SERVICES: Mapping[str, Kind] = {
    "managed_elsewhere": Kind(
        "Managed elsewhere", (409,), "Names, e-mail and roles are changed at the account page that is linked."
    ),
    "operation_running": Kind(
        "Another change is under way", (409,), "One change at a time: repeat it after Retry-After.", retryable=True
    ),
    "payment_declined": Kind(
        "Declined", (402,), "The payment provider said no, see reason. Another attempt is another payment."
    ),
    "order_canceled": Kind("Called off", (409,), "The order was called off; nothing of it is charged."),
    "not_given_back": Kind("Not given back", (409,), "The payment provider did not give the money back. Ask support."),
    "not_fulfilled": Kind("Not fulfilled", (409,), "The order was not sent out. It is still paid: ask for it again."),
    "refund_limit": Kind("Above your limit", (403,), "Somebody with a larger limit may refund this."),
    "second_person_needed": Kind(
        "A second person is needed", (403,), "Somebody else than who asked for the refund decides about it."
    ),
    "refund_rejected": Kind("Not approved", (409,), "The second person did not approve the refund."),
    "endpoint_refused": Kind("Address refused", (422,), "A webhook endpoint is an https URL whose address is public."),
    "illegal_step": Kind("Not in this state", (409,), "The state it is in does not allow this step; read it again."),
}
CATALOGUE: Mapping[str, Kind] = {**_REQUEST, **_CALLER, **_SERVICES}
"""By code, which is the last part of the type's URL."""
BY_STATUS: Mapping[int, str] = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "request_entity_too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}
"""The code of what the framework itself refuses."""
