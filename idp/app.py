"""The application: protocol routes answered without a framework, pages by Flask, one gate before both."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from flask import Flask, request

from idp.account.switch import SwitchPage
from idp.assembly.account import account_frame, account_rooms
from idp.assembly.authorize import authorize_pages
from idp.assembly.exchange import living_tokens
from idp.assembly.login import (
    account_chooser,
    askers,
    email_login_rooms,
    login_levels,
    login_opener,
    login_pages,
    login_prompts,
    second_factor,
)
from idp.assembly.logos import logo_route
from idp.assembly.logout import logout_pages
from idp.assembly.mail import mail_rooms, mailbox_rooms
from idp.assembly.passkeys import passkey_ceremonies, passkey_rooms, passkey_routes
from idp.assembly.registration import registration_routes
from idp.assembly.senders import believing_certificates
from idp.assembly.senders import proofs as dpop_proofs
from idp.assembly.signup import admission, sign_up_page, sign_up_proof
from idp.assembly.statics import statics_of
from idp.assembly.status import status_routes
from idp.assembly.tokens import client_authenticator, token_endpoint
from idp.assembly.upstream import upstream_rooms
from idp.errors import PageError, Unavailable
from idp.oauth import request as requests
from idp.oauth import response_types
from idp.oauth.client_auth import ClientAuthenticator
from idp.oauth.endpoints import check_session
from idp.oauth.endpoints.check_session import CheckSessionPage
from idp.oauth.endpoints.documents import DocumentEndpoint, JwksEndpoint
from idp.oauth.endpoints.introspect import IntrospectionEndpoint
from idp.oauth.endpoints.revoke import RevocationEndpoint
from idp.oauth.endpoints.token import TokenEndpoint
from idp.oauth.endpoints.userinfo import UserinfoEndpoint
from idp.oauth.metadata import OPENID_PATH, Facts, oauth_document, oauth_path, openid_document
from idp.oauth.presented import Holders
from idp.oauth.sender import Senders
from idp.platform import events, forms, i18n, spoken
from idp.platform.accesslog import AccessLog
from idp.platform.events import SnapshotEndpoint
from idp.platform.http import Answer, Call, json_answer
from idp.platform.pages import Pages, install_error_pages
from idp.platform.web import Front, Gate, Route, WsgiApp, mount
from idp.users.login.enrolment import Enrolment
from idp.users.login.returning import ReturnPage
from idp.wiring import House

_METADATA_AGE = 300
GET, POST = frozenset({"GET"}), frozenset({"POST"})


def create_app(house: House, routes: list[Route]) -> Flask:
    """The Flask application with every page and, mounted the slower way, every protocol route."""
    app = house.flask
    app.config.update(
        MAX_CONTENT_LENGTH=forms.MAX_BODY, MAX_FORM_MEMORY_SIZE=forms.MAX_BODY, MAX_FORM_PARTS=forms.MAX_FIELDS
    )
    statics = statics_of(house.settings)
    pages = Pages(house.settings, house.master, statics)
    below = house.settings.issuer_path
    install_error_pages(app, pages, endpoints=(f"{below}/oauth/", f"{below}/.well-known/", "/.well-known/"))
    spoken.install(app, pages)
    app.before_request(partial(_refuse_malformed, frozenset(route.path for route in routes)))
    prefix = house.settings.issuer_path or None
    authorize = authorize_pages(house, pages)
    frame = account_frame(house, pages)
    second = second_factor(house, pages, askers(authorize, frame), login_opener(house, pages, authorize))
    ceremonies = passkey_ceremonies(house)
    chooser = account_chooser(house, pages, second.find_context, authorize)
    admitting = admission(house, pages, second.find_context)
    proof = sign_up_proof(pages, admitting)
    login, logout = login_pages(house, pages, second, ceremonies, chooser), logout_pages(house, pages)
    for rooms in (
        replace(authorize, login_page=login.page),
        login,
        chooser,
        SwitchPage(frame),
        second,
        Enrolment(second, ceremonies),
        ReturnPage(second),
        logout,
        CheckSessionPage(pages),
        *account_rooms(house, frame),
        *([sign_up_page(house, pages, admitting)] if admitting else ()),
        *([proof] if proof else ()),
        *mail_rooms(house, pages, frame, proof),
        *mailbox_rooms(house, pages),
        *email_login_rooms(house, second),
        *passkey_rooms(house, frame, second, ceremonies, admitting),
        *upstream_rooms(house, pages, frame, second),
    ):
        app.register_blueprint(rooms.blueprint(), url_prefix=prefix)
    app.add_url_rule(f"{house.settings.issuer_path}/static/<path:name>", "static", statics.serve)
    mount(app, routes)
    return app


def create_wsgi(house: House, access_log: AccessLog | None = None) -> WsgiApp:
    """What the server calls: the gate, the protocol routes, and Flask behind them."""
    routes, settings = protocol_routes(house), house.settings
    app = create_app(house, routes)
    gate = Gate(settings.trusted_proxies, house.metrics, settings.secure, access_log, house.random)
    return believing_certificates(Front(app.wsgi_app, routes, gate), settings)


def protocol_routes(house: House) -> list[Route]:
    """Every endpoint that answers without a page; both metadata documents are derived from this list."""
    authenticator = client_authenticator(house)
    proofs = dpop_proofs(house)
    token = token_endpoint(house, authenticator, Senders(proofs))
    living = living_tokens(house)
    revoke = RevocationEndpoint(
        authenticator,
        house.database,
        house.clock,
        house.access_tokens,
        house.refresh_tokens,
        house.grants,
        house.revocations,
        house.audit,
    )
    introspect = IntrospectionEndpoint(
        authenticator, living, house.database, house.refresh_tokens, house.subjects, house.settings.issuer
    )
    userinfo = UserinfoEndpoint(
        living,
        Holders(proofs),
        house.database,
        house.grants,
        house.client_directory.get,
        house.subjects,
        house.sealing,
        house.keyring.signer,
        house.settings.issuer,
    )
    routes = [
        Route("/oauth/token", token, POST, cors=True),
        Route("/oauth/revoke", revoke, POST, cors=True),
        Route("/oauth/introspect", introspect, POST),
        Route("/oauth/userinfo", userinfo, GET | POST, cors=True),
        *registration_routes(house),
        logo_route(house),
        *status_routes(house),
        *passkey_routes(house),
        Route("/oauth/jwks", JwksEndpoint(house.keyring, max_age=house.settings.jwks_max_age), GET, cors=True),
        Route(events.PATH, SnapshotEndpoint(house.receivers, house.people_page), GET),
        Route("/livez", _alive, GET),
        Route("/readyz", _Ready(house), GET),
    ]
    return [
        route.below(house.settings.issuer_path) for route in [*routes, *_documents(house, routes, token, authenticator)]
    ]


def _documents(
    house: House, routes: list[Route], token: TokenEndpoint, authenticator: ClientAuthenticator
) -> list[Route]:
    pages = frozenset({"/oauth/authorize", "/oauth/logout", check_session.PATH})
    facts = Facts(
        issuer=house.settings.issuer,
        url=house.settings.url,
        mounted=frozenset(route.path for route in routes) | pages,
        grant_types=token.grant_types,
        auth_methods=authenticator.names,
        levels=login_levels(house),
        prompts=login_prompts(house),
        response_types=response_types.offered(house.settings.implicit),
        mtls_url=house.settings.mtls_url,
        languages=tuple(language.tag for language in i18n.languages()),
    )
    prepare = partial(DocumentEndpoint, max_age=_METADATA_AGE, varying=house.details_types.metadata)
    oauth, openid = prepare(oauth_document(facts)), prepare(openid_document(facts))
    found = [Route(OPENID_PATH, openid, GET, cors=True)]
    if house.settings.issuer_path:
        return [*found, Route(oauth_path(house.settings.issuer), oauth, GET, cors=True, absolute=True)]
    return [*found, Route(oauth_path(house.settings.issuer), oauth, GET, cors=True)]


def _refuse_malformed(answers_itself: frozenset[str]) -> None:
    """Nothing with control characters or repeated names reaches a page's form, nor anything longer than we read."""
    if request.endpoint in answers_itself or request.routing_exception is not None:
        return  # what is not there says so, whatever was sent to it
    if len(request.query_string) > forms.MAX_URL:
        raise PageError("invalid_request", "That address is too long.", status=414)
    if request.method == "POST" and request.mimetype != forms.FORM:
        raise PageError("invalid_request", "This form was sent in a way we do not read.", status=415)
    forms.decode_pairs(request.query_string)
    if request.method == "POST":
        forms.Form(forms.decode_pairs(request.get_data()), requests.REPEATABLE)


def _alive(_call: Call) -> Answer:
    return json_answer({"status": "alive"})


class _Ready:
    """Whether this node can answer: the database does, and there is a key to sign with."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self, _call: Call) -> Answer:
        try:
            with self._house.database.read() as tx:
                tx.exec_driver_sql("SELECT 1")
            self._house.keyring.signer("ES256")
        except Unavailable as error:
            return json_answer({"status": "not ready"}, 503, error.headers)
        return json_answer({"status": "ready"})
