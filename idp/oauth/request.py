"""The authorization request: one readable list of checks from raw parameters to a value (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).

Until client and redirect URI are proven, a refusal is a page; from then on it leaves by redirect. Unknown parameters are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from idp.errors import AuthorizationError, ProtocolError
from idp.marked import N_
from idp.oauth import acr, claims_request, dpop, entitlement, flow, redirects, response_modes, response_types, scopes
from idp.oauth.claims_request import Demand
from idp.oauth.clients import Client
from idp.oauth.details.entries import Entry
from idp.oauth.entitlement import FindResource
from idp.oauth.response_modes import Destination
from idp.platform import i18n
from idp.platform.forms import Form
from idp.platform.jsontext import shallow
from idp.tokens.identity import IdTokenHint
from idp.tokens.values import Confirmation, PersonOf

REPEATABLE = frozenset({"resource"})
PROMPTS = ("none", "login", "consent", "select_account")
MAX_STATE, MAX_NONCE, MAX_HINT = 2048, 1024, 254
_LINE_BREAK = re.compile(r"[\r\n]")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request. `subs` are the people who may log in, empty for anybody; `acr_values` the levels that will do, in their order.

    `userinfo_claims` and `id_token_claims` are the claims asked for by name, as far as the client may have them.
    """

    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    state: str | None
    scope: tuple[str, ...]
    audiences: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str | None
    response_type: str = response_types.CODE
    response_mode: str = response_modes.QUERY
    subs: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    userinfo_claims: tuple[str, ...] = ()
    id_token_claims: tuple[str, ...] = ()
    dpop_jkt: str | None = None
    authorization_details: tuple[Entry, ...] = ()
    ui_locales: tuple[str, ...] = ()

    @property
    def binding(self) -> Confirmation:
        """Who may redeem the code: whoever proves to hold this key (RFC 9449 §10)."""
        return {} if self.dpop_jkt is None else {"jkt": self.dpop_jkt}

    @property
    def destination(self) -> Destination:
        """Where the answer goes."""
        return Destination(self.redirect_uri, self.response_mode, self.state)

    @property
    def to_allow(self) -> tuple[str, ...]:
        """What the person must allow: the scopes, and those that stand for the claims asked for by name."""
        named = scopes.releasing((*self.userinfo_claims, *self.id_token_claims))
        return tuple(dict.fromkeys((*self.scope, *named)))

    def document(self) -> dict[str, Any]:
        """What is stored while the person logs in."""
        return shallow(self)


def restored(document: Mapping[str, Any]) -> AuthorizationRequest:
    """The request from what was stored."""
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    return AuthorizationRequest(**known)


ReadDetails = Callable[[str, Collection[str], Collection[str]], tuple[Entry, ...]]
"""(authorization_details, the client's types, the audiences) -> the entries."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """Where the checks look things up; `opened` unpacks a request object. `response_types` and `prompts` are those of this deployment."""

    client: Callable[[str], Client | None]
    resource: FindResource
    hint: Callable[[str], IdTokenHint | None]
    opened: Callable[[Form, Client, frozenset[str]], Form]
    issuer: str
    response_types: frozenset[str]
    prompts: frozenset[str]
    person_of: PersonOf
    details: ReadDetails


@dataclass(slots=True)
class _Draft:
    form: Form
    client: Client
    redirect_uri: str
    found: dict[str, Any] = field(default_factory=dict)


class RefusedRequest(Exception):
    """A refusal that goes to a proven redirect URI, in the mode the success would have gone."""

    def __init__(self, error: AuthorizationError, destination: Destination) -> None:
        super().__init__(error.code)
        self.error = error
        self.destination = destination


def check(form: Form, lookups: Lookups) -> AuthorizationRequest:
    """The request, or `AuthorizationError` (a page), or `RefusedRequest` (an answer to the app)."""
    client = _client(form, lookups)
    form = _opened(form, client, lookups)
    draft = _Draft(form, client, _redirect_uri(form, client))
    try:
        for one in CHECKS:
            one(draft, lookups)
    except (AuthorizationError, ProtocolError) as error:
        raise _refusal(error, draft) from error
    return AuthorizationRequest(
        client_id=draft.client.client_id,
        redirect_uri=draft.redirect_uri,
        redirect_uri_given="redirect_uri" in form,
        state=form.get("state"),
        nonce=form.get("nonce"),
        login_hint=_login_hint(form),
        ui_locales=i18n.tags(form.get("ui_locales", "")),
        **draft.found,
    )


def _client(form: Form, lookups: Lookups) -> Client:
    """RFC 6749 §3.1: who asks."""
    client = lookups.client(form.get("client_id", ""))
    if client is None or client.disabled:
        _page("invalid_client", N_("The app that sent you here is not known."))
    return client


def _opened(form: Form, client: Client, lookups: Lookups) -> Form:
    """OpenID Connect Core §6, RFC 9101 §5: the parameters with those of a request object; one that cannot be read is never passed over."""
    try:
        return lookups.opened(form, client, REPEATABLE)
    except ProtocolError as error:
        raise _refusal(error, _Draft(form, client, _redirect_uri(form, client))) from error


def _redirect_uri(form: Form, client: Client) -> str:
    """RFC 9700 §2.1: exact match; left out only where there is no choice and no OpenID (Core §3.1.2.1)."""
    given = form.get("redirect_uri")
    if given is not None:
        if not redirects.matches(given, client.redirect_uris, client.application_type):
            _page("invalid_redirect_uri", N_("The app that sent you here gave an address that is not its own."))
        return given
    if len(client.redirect_uris) != 1 or "openid" in form.get("scope", "").split():
        _page("invalid_redirect_uri", N_("The app that sent you here did not say where to go back to."))
    return client.redirect_uris[0]


def _refusal(error: AuthorizationError | ProtocolError, draft: _Draft) -> RefusedRequest:
    return RefusedRequest(AuthorizationError(error.code, error.description, detail=error.detail), _destination(draft))


def _destination(draft: _Draft) -> Destination:
    """Where a refusal goes: the state comes back as it was sent, or not at all."""
    form = draft.form
    state = form.get("state")
    mode = response_modes.mode_of(form.get("response_type", ""), form.get("response_mode"))
    return Destination(draft.redirect_uri, mode, state if state is not None and _is_echoed(state) else None)


def _is_echoed(state: str) -> bool:
    """Whether every response mode can return it byte for byte: an HTML form would change its line breaks."""
    return len(state) <= MAX_STATE and not _LINE_BREAK.search(state)


def _state_and_nonce(draft: _Draft, _lookups: Lookups) -> None:
    """RFC 6749 A.5, STANDARDS §2: what is echoed is bounded and has no line breaks."""
    if not _is_echoed(draft.form.get("state", "")) or len(draft.form.get("nonce", "")) > MAX_NONCE:
        _refuse("invalid_request", "state or nonce is too long or has line breaks")


def _response_type(draft: _Draft, lookups: Lookups) -> None:
    """RFC 6749 §3.1.1: one that is offered, that the profile knows, and that the client registered."""
    asked = response_types.normal(draft.form.get("response_type", ""))
    if not asked:
        _refuse("invalid_request", "The parameter response_type is missing")
    if asked not in lookups.response_types & draft.client.profile.response_types:
        _refuse("unsupported_response_type", "This response type is not supported")
    if asked not in draft.client.response_types:
        _refuse("unauthorized_client", "The client may not use this response type")
    draft.found["response_type"] = asked


def _response_mode(draft: _Draft, _lookups: Lookups) -> None:
    """OAuth 2.0 Multiple Response Types §2.1, §3: a mode we know, and no tokens in a query."""
    asked = draft.form.get("response_mode")
    mode = response_modes.mode_of(draft.found["response_type"], asked)
    if asked is not None and asked != mode:
        _refuse("invalid_request", "This response mode is not supported for this response type")
    draft.found["response_mode"] = mode


def _registration(draft: _Draft, _lookups: Lookups) -> None:
    """OpenID Connect Core §7: what is not built is refused by name, never ignored."""
    if "registration" in draft.form:
        _refuse("registration_not_supported", "The parameter registration is not supported")


def _pkce(draft: _Draft, _lookups: Lookups) -> None:
    """RFC 7636 §4.3, RFC 9700 §2.1.1: S256 for every code, but where the profile lets confidential clients leave it out."""
    challenge, method = draft.form.get("code_challenge"), draft.form.get("code_challenge_method")
    if not response_types.returns_code(draft.found["response_type"]):
        challenge = None  # there is no code to bind
    elif challenge is None:
        optional = draft.client.profile.pkce_optional_for_confidential and not draft.client.is_public
        if method is not None or not optional:
            _refuse("invalid_request", "PKCE is required: code_challenge is missing")
    elif method != "S256" or not _CHALLENGE.match(challenge):
        _refuse("invalid_request", "PKCE needs code_challenge_method S256 and a well-formed code_challenge")
    draft.found["code_challenge"] = challenge


def _audiences_and_scope(draft: _Draft, lookups: Lookups) -> None:
    """RFC 8707 §2.1, RFC 6749 §3.3: the resources, then the scopes narrowed to what may be had; offline only by a code (Core §11)."""
    resources = entitlement.audiences(draft.client, draft.form.all("resource"), lookups.resource, lookups.issuer)
    draft.found["audiences"] = tuple(resource.uri for resource in resources)
    scope = entitlement.granted(draft.client, draft.form.get("scope"), resources, person=True)
    if not response_types.returns_code(draft.found["response_type"]):
        scope = tuple(one for one in scope if one != "offline_access")
    if response_types.returns_access_token(draft.found["response_type"]):
        entitlement.for_token(" ".join(scope), None, resources[0])
    draft.found["scope"] = scope


def _authorization_details(draft: _Draft, lookups: Lookups) -> None:
    """RFC 9396 §5: of registered types, and for the resources of the request."""
    text = draft.form.get("authorization_details")
    if text is not None:
        allowed, audiences = draft.client.details_types, draft.found["audiences"]
        draft.found["authorization_details"] = lookups.details(text, allowed, audiences)


def _nonce(draft: _Draft, _lookups: Lookups) -> None:
    """OpenID Connect Core §3.2.2.1, §3.3.2.11: an ID token in the response answers an OpenID request and is bound to it."""
    if not response_types.returns_id_token(draft.found["response_type"]):
        return
    if "openid" not in draft.found["scope"]:
        _refuse("invalid_scope", "An ID token needs the scope openid")
    if "nonce" not in draft.form:
        _refuse("invalid_request", "The parameter nonce is missing")


def _prompt(draft: _Draft, lookups: Lookups) -> None:
    """OpenID Connect Core §3.1.2.1, Initiating User Registration §4: known values, and `none` alone."""
    prompt = tuple(draft.form.get("prompt", "").split())
    if not lookups.prompts.issuperset(prompt) or ("none" in prompt and len(prompt) > 1):
        _refuse("invalid_request", "The prompt is not supported")
    draft.found["prompt"] = prompt


def _max_age(draft: _Draft, _lookups: Lookups) -> None:
    """OpenID Connect Core §3.1.2.1: seconds since the login; the registered default counts when none is sent."""
    text = draft.form.get("max_age")
    if text is None:
        draft.found["max_age"] = draft.client.default_max_age
    elif text.isascii() and text.isdigit() and len(text) <= 10:
        draft.found["max_age"] = int(text)
    else:
        _refuse("invalid_request", "max_age must be a number of seconds")


def _id_token_hint(draft: _Draft, lookups: Lookups) -> None:
    """OpenID Connect Core §3.1.2.1: an ID token of ours, expired or not."""
    token = draft.form.get("id_token_hint")
    hint = lookups.hint(token) if token is not None else None
    if token is not None and hint is None:
        _refuse("invalid_request", "id_token_hint is not an ID token of ours")
    draft.found["subs"] = (hint.sub,) if hint else ()


def _claims(draft: _Draft, lookups: Lookups) -> None:
    """OpenID Connect Core §5.5: claims by name within what the client's scopes could give it, and who must log in."""
    asked = claims_request.parse(draft.form.get("claims"))
    if "openid" not in draft.found["scope"]:
        return
    resources = (lookups.resource(uri) for uri in draft.found["audiences"])
    may = entitlement.allowed(draft.client, filter(None, resources), person=True)
    asked = asked.within(scopes.claims_of(may))
    draft.found["userinfo_claims"], draft.found["id_token_claims"] = asked.userinfo, asked.id_token
    if asked.sub.values:
        named = [lookups.person_of(draft.client.client_id, sub) for sub in asked.sub.values]
        hinted = draft.found["subs"] or named
        draft.found["subs"] = tuple(sub for sub in named if sub and sub in hinted)
        if not draft.found["subs"]:
            _refuse("login_required", "The named people are not one and the same")
    draft.found["acr"] = asked.acr


def _acr(draft: _Draft, _lookups: Lookups) -> None:
    """OpenID Connect Core §5.5.1.1, §3.1.2.1: an `acr` claim before `acr_values`, before what the client registered."""
    demand: Demand = draft.found.pop("acr", Demand())
    named = demand.values or tuple(draft.form.get("acr_values", "").split())
    values = acr.known(named or draft.client.default_acr_values)
    draft.found["acr_values"] = values
    draft.found["acr_essential"] = demand.essential and bool(demand.values)
    if draft.found["acr_essential"] and not values:
        _refuse(flow.UNMET.code, flow.UNMET.description)


def _dpop_jkt(draft: _Draft, _lookups: Lookups) -> None:
    """RFC 9449 §10: the thumbprint of the key that the code is bound to."""
    jkt = draft.form.get("dpop_jkt")
    if jkt is not None and not dpop.JKT.match(jkt):
        _refuse("invalid_request", "dpop_jkt is not the SHA-256 thumbprint of a key")
    draft.found["dpop_jkt"] = jkt


CHECKS: Sequence[Callable[[_Draft, Lookups], None]] = (
    _state_and_nonce,
    _response_type,
    _response_mode,
    _registration,
    _pkce,
    _audiences_and_scope,
    _authorization_details,
    _nonce,
    _prompt,
    _max_age,
    _id_token_hint,
    _claims,
    _acr,
    _dpop_jkt,
)
"""What is checked once client and redirect URI are proven, in this order."""


def _login_hint(form: Form) -> str | None:
    hint = form.get("login_hint")
    return hint if hint is not None and len(hint) <= MAX_HINT else None


def _page(code: str, sentence: str) -> NoReturn:
    raise AuthorizationError(code, sentence, may_redirect=False)


def _refuse(code: str, description: str) -> NoReturn:
    raise AuthorizationError(code, description)
