"""Which language a page speaks: chosen on a page, wished by the app, the person's own, the browser's."""

from __future__ import annotations

import re

import pytest
import requests

from idp.platform import i18n
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp

SIGN_IN = {
    "ar": "تسجيل الدخول",
    "de": "Anmelden",
    "en": "Sign in",
    "es": "Iniciar sesión",
    "fr": "Se connecter",
    "ja": "ログイン",
    "pt": "Entrar",
}


def browser_of(idp: RunningIdp, languages: str) -> Browser:
    browser = Browser(idp.url)
    browser.http.headers["Accept-Language"] = languages
    return browser


def spoken(response: requests.Response) -> str:
    """What a page says it speaks, in its header and in its root alike."""
    (language,) = re.findall(r'<html lang="([\w-]+)"', response.text)
    assert response.headers["Content-Language"] == language
    return str(language)


def heading(response: requests.Response) -> str:
    (text,) = re.findall(r"<h1>(.*?)</h1>", response.text)
    return str(text)


@pytest.mark.parametrize("tag", SIGN_IN)
def test_every_language_is_spoken_when_the_browser_asks_for_it(idp: RunningIdp, tag: str) -> None:
    page = browser_of(idp, f"{tag}, en;q=0.5").open(f"{idp.url}/login")
    assert (spoken(page), heading(page)) == (tag, SIGN_IN[tag])
    assert f'dir="{"rtl" if tag == "ar" else "ltr"}"' in page.text


@pytest.mark.parametrize(
    ("wish", "tag"),
    [
        ("de-AT, en;q=0.9", "de"),
        ("tlh, pt-BR;q=0.8, de;q=0.4", "pt"),
        ("en, fr;q=0.9", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("tlh", "en"),
        ("*", "en"),
        ("x" * 3000, "en"),
        ("de_DE", "en"),
        (";;;,,q=", "en"),
    ],
)
def test_the_browsers_wishes_count_in_their_order_and_what_is_no_language_is_passed_over(
    idp: RunningIdp, wish: str, tag: str
) -> None:
    assert spoken(browser_of(idp, wish).open(f"{idp.url}/login")) == tag


def test_an_apps_wish_counts_more_than_the_browsers_and_holds_for_the_whole_login(
    idp: RunningIdp, web_app: App, person: str
) -> None:
    browser = browser_of(idp, "fr")
    page = browser.open(web_app.authorize_url(ui_locales="tlh de en")[0])
    assert spoken(page) == "de"
    assert "um weiter" not in page.text
    refused = browser.submit(Page(page), "login", username=person, password="wrong")
    assert spoken(refused) == "de"
    assert "Der Name oder das Passwort stimmt nicht." in refused.text
    consent = browser.submit(Page(refused), "login", username=person, password=PASSWORD)
    assert spoken(consent) == "de"
    assert heading(consent) == "Web App erlauben?"
    assert "Wissen, dass Sie es sind" in consent.text
    assert spoken(browser.open(f"{idp.url}/")) == "fr"


def test_an_apps_wish_in_a_cross_site_post_is_kept(idp: RunningIdp, web_app: App) -> None:
    url, _ = web_app.authorize_url(ui_locales="ja")
    path, _, query = url.partition("?")
    form = requests.models.PreparedRequest()
    form.prepare_url(path, query)
    browser = Browser(idp.url)
    answer = browser.http.post(
        path, data=query, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=30
    )
    assert spoken(answer) == "ja"


def test_a_sign_out_speaks_the_language_the_app_wishes(idp: RunningIdp) -> None:
    page = Browser(idp.url).open(f"{idp.url}/oauth/logout?ui_locales=es")
    assert spoken(page) == "es"
    posted = Browser(idp.url).http.post(f"{idp.url}/oauth/logout", data={"ui_locales": "pt-PT"}, timeout=30)
    assert spoken(posted) == "pt"


def test_a_choice_on_a_page_counts_most_and_is_kept(idp: RunningIdp, web_app: App) -> None:
    browser = browser_of(idp, "fr")
    chosen = browser.http.get(f"{idp.url}/login?language=ja", timeout=30)
    assert spoken(chosen) == "ja"
    assert re.search(r"idp-language=ja;.*HttpOnly", chosen.headers["Set-Cookie"])
    assert spoken(browser.open(web_app.authorize_url(ui_locales="de")[0])) == "ja"


def test_no_unknown_language_can_be_chosen(idp: RunningIdp) -> None:
    browser = Browser(idp.url)
    for wish in ("tlh", "", "../../etc", "en\u2028", "x" * 500):
        page = browser.http.get(f"{idp.url}/login", params={"language": wish}, timeout=30)
        assert (spoken(page), "idp-language" in browser.http.cookies) == ("en", False)


def test_the_language_of_a_person_counts_more_than_the_browsers_and_less_than_the_apps(
    idp: RunningIdp, web_app: App, person: str
) -> None:
    idp.cli("user", "update", person, "--claim", "locale=es-MX")
    browser = browser_of(idp, "de")
    web_app.login(browser, person)
    assert spoken(browser.open(f"{idp.url}/account/security")) == "es"
    consent = browser.open(web_app.authorize_url(prompt="consent")[0])
    assert spoken(consent) == "es"
    consent = browser.open(web_app.authorize_url(prompt="consent", ui_locales="ar")[0])
    assert spoken(consent) == "ar"
    assert spoken(Browser(idp.url).open(f"{idp.url}/login")) == "en"


def test_errors_speak_the_language_too(idp: RunningIdp) -> None:
    browser = browser_of(idp, "de")
    gone = browser.open(f"{idp.url}/nowhere")
    assert (gone.status_code, spoken(gone), heading(gone)) == (404, "de", "Nicht gefunden")
    assert "Hier gibt es keine Seite." in gone.text
    foreign = browser.open(f"{idp.url}/oauth/authorize?client_id=nobody")
    assert "Die App, die Sie hierher geschickt hat, ist nicht bekannt." in foreign.text


def test_one_persons_language_is_never_anothers(idp: RunningIdp) -> None:
    """Threads serve many people one after another: nothing that one of them wished is left for the next."""
    for _ in range(20):
        assert spoken(browser_of(idp, "ar").open(f"{idp.url}/login")) == "ar"
        assert spoken(Browser(idp.url).open(f"{idp.url}/login")) == "en"


def test_metadata_says_what_is_spoken(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration", timeout=30).json()
    assert document["ui_locales_supported"] == sorted(SIGN_IN) == [one.tag for one in i18n.languages()]
