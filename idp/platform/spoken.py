"""Which language a request is answered in: what was chosen on a page before, what the app or the person wishes, what the browser says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from urllib.parse import urlencode

from flask import Flask, Response, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from idp.platform import i18n
from idp.platform.i18n import Language, Wishes
from idp.platform.pages import LANGUAGE, Pages

PARAMETER = "language"
"""A page that is asked for with it is shown in that language, and so is every page after it."""
TOLD_APART_BY = frozenset({"account", "before", "flow", "invitation", "step", "token"})
"""What the address of a page of ours says beside its path."""
_LANGUAGES = frozenset({PARAMETER, "ui_locales"})
_YEAR = 365 * 86400


def install(app: Flask, pages: Pages) -> None:
    """Listen before every page, and keep the choice that was made on one."""

    app.jinja_env.globals["choices"] = choices

    @app.before_request
    def _listen() -> None:
        choice = _chosen() or pages.cookie(request, LANGUAGE) or ""
        asked = request.args.get("ui_locales", "")
        browser = _accepted(request.headers.get("Accept-Language", ""))
        i18n.begin(Wishes(choice=i18n.tags(choice), app=i18n.tags(asked), browser=browser))

    @app.after_request
    def _keep(response: Response) -> Response:
        if (chosen := _chosen()) is not None:
            pages.set_cookie(response, LANGUAGE, chosen, max_age=_YEAR)
        return response


def choices(names: Collection[str] = TOLD_APART_BY, *, whole: bool = False) -> list[tuple[Language, str]]:
    """Every language there is, and the link that shows the page at hand in it; none for what was posted, which has no address.

    A link repeats nothing of the address but `names`: whatever else it says was written by others, and may be a secret of theirs. With `whole`
    there are none where that leaves something out: another page would open.
    """
    if request.method != "GET":
        return []
    given = [(name, value) for name, value in request.args.items(multi=True) if name not in _LANGUAGES]
    kept = [(name, value) for name, value in given if name in names]
    if whole and len(kept) < len(given):
        return []
    return elsewhere("", kept)


def elsewhere(address: str, query: Sequence[tuple[str, str]]) -> list[tuple[Language, str]]:
    """The same for the page at this address, empty for the one at hand, with this query."""
    there = f"{address}?{urlencode([*query, (PARAMETER, '')])}"
    return [(one, there + one.tag) for one in i18n.languages()]


@lru_cache(maxsize=256)
def _accepted(header: str) -> tuple[str, ...]:
    """The languages of an Accept-Language header (RFC 9110 §12.5.4), the dearest first."""
    return i18n.tags(" ".join(tag for tag, quality in parse_accept_header(header, LanguageAccept) if quality > 0))


def _chosen() -> str | None:
    """A language that there is, chosen on a page."""
    wish = request.args.get(PARAMETER)
    return wish if wish and any(one.tag == wish for one in i18n.languages()) else None
