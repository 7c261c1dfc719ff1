"""Sign-up tells nobody who has an account, makes none before its address is proved, and one however often and wherever that is tried."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from idp.platform.models import AuditRow, JobRow
from idp.settings_source import load
from idp.users.models import SignUpRow
from tests.conftest import API
from tests.platform.receivers import ReceiverServer
from tests.support import databases
from tests.support.crowds import crowd
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, CliError, RunningIdp
from tests.support.servers import free_port
from tests.support.status import eventually
from tests.users.joining import CODE, begun, code_in, joined
from tests.users.mail import letters_to, link_in
from tests.users.test_password_recovery import can_log_in

OTHER = "another horse 48 clip"


@pytest.fixture(scope="module", params=databases.KINDS)
def open_idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that lets strangers make accounts; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"signup": "on", "signup_max": "100000", "login_max_failures_per_address": "100000"}
        settings["metrics_port"] = str(free_port())
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("open"), url, host="localhost", **settings))


@pytest.fixture(scope="module")
def app(open_idp: RunningIdp) -> App:
    metadata = {"redirect_uris": ["https://app.test/callback"], "consent": "trusted"}
    return App(open_idp.url, open_idp.client(client_name="App", **metadata))


@pytest.fixture
def name() -> str:
    return f"new-{secrets.token_hex(4)}"


@pytest.fixture
def browser(open_idp: RunningIdp) -> Browser:
    return Browser(open_idp.url)


def fields(wanted: str, **more: str) -> dict[str, str]:
    return {"username": wanted, "email": f"{wanted}@example.com", "password": PASSWORD, **more}


def form(browser: Browser) -> Page:
    return Page(browser.open(f"{browser.home}/signup"))


def exists(open_idp: RunningIdp, name: str) -> bool:
    try:
        open_idp.cli("user", "show", name)
    except CliError:
        return False
    return True


def shown(response: requests.Response) -> tuple[int, str, list[str]]:
    """What somebody sees, without the secrets of their browser and what they typed themselves."""
    text = re.sub(r'(?<=value=")[^"]*|nonce="[^"]*"|nonce-[\w-]*|signup=[\w-]*|[\w.-]+@example\.com', "", response.text)
    return response.status_code, text, sorted(response.headers)


def focused(response: requests.Response) -> list[str]:
    """The fields in which typing begins."""
    return re.findall(r'<input id="(\w+)"[^>]*\sautofocus\b', response.text)


def test_a_known_and_an_unknown_address_get_the_same_answers_and_each_one_letter(
    open_idp: RunningIdp, name: str
) -> None:
    open_idp.user(there := f"{name}-there")
    answers = []
    for wanted in (f"{name}-not", there):
        browser = Browser(open_idp.url)
        waiting, letter = begun(
            open_idp, browser, form(browser), **fields(f"{wanted}-2", email=f"{wanted}@example.com")
        )
        wrong = browser.submit(Page(waiting), "verify", code="0000 0000")
        again = browser.submit(Page(waiting), "signup-again")
        letters = letters_to(open_idp, f"{wanted}@example.com", 2)
        answers.append((shown(waiting), shown(wrong), shown(again), len(letters)))
        assert (CODE in letter["Subject"]) is (wanted != there)
        assert ("you have an account already" in letter["Subject"]) is (wanted == there)
        assert link_in(letter).startswith(open_idp.url)
    assert answers[0] == answers[1]
    assert [answers[0][number][0] for number in range(3)] == [200, 400, 200]
    assert not exists(open_idp, f"{there}-2")


@pytest.mark.parametrize("by", ["link", "code"])
def test_the_account_is_there_once_its_address_is_proved(
    open_idp: RunningIdp, app: App, browser: Browser, name: str, by: str
) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name, name="Ada Lovelace"))
    assert not exists(open_idp, name)
    assert not can_log_in(open_idp, app, name, PASSWORD)
    page = Page(waiting) if by == "code" else Page(browser.open(link_in(letter)))
    assert not exists(open_idp, name), "looking makes no account"
    proved = browser.submit(page, "verify", **({"code": code_in(letter)} if by == "code" else {}))
    assert "Your account is made" in proved.text
    made = open_idp.cli("user", "show", name)
    assert (made["email"], made["email_verified"], made["name"]) == (f"{name}@example.com", True, "Ada Lovelace")
    assert can_log_in(open_idp, app, name, PASSWORD)
    assert browser.submit(page, "verify", code=code_in(letter)).status_code == 400
    assert browser.open(link_in(letter)).status_code == 400


def test_the_request_that_waited_goes_on(open_idp: RunningIdp, app: App, browser: Browser, name: str) -> None:
    url, verifier = app.authorize_url(prompt="create")
    page = Page(joined(open_idp, browser, Page(browser.open(url)), **fields(name)))
    answer = answer_of(browser.submit(page, "login", username=name, password=PASSWORD))
    assert app.redeem(answer["code"], verifier).status_code == 200


def test_who_opens_the_link_elsewhere_chooses_a_password_of_their_own(
    open_idp: RunningIdp, app: App, browser: Browser, name: str
) -> None:
    """Whoever typed a password with somebody's address gets no account of theirs."""
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    reader = Browser(open_idp.url)
    asked = reader.submit(Page(reader.open(link_in(letter))), "verify")
    assert not exists(open_idp, name)
    assert f'value="{name}@example.com"' in asked.text
    made = reader.submit(Page(asked), "signup", password=OTHER, email="other@example.com")
    assert "Your account is made" in made.text
    assert open_idp.cli("user", "show", name)["email"] == f"{name}@example.com"
    assert not can_log_in(open_idp, app, name, PASSWORD)
    assert can_log_in(open_idp, app, name, OTHER)
    over = browser.submit(Page(waiting), "verify", code=code_in(letter))
    assert (over.status_code, Page(over).main["data-error"]) == (400, "expired")
    dead = reader.submit(Page(asked), "signup", password=OTHER)
    assert dead.status_code == 400
    assert "start again" in dead.text


def test_a_code_is_good_in_the_browser_that_began(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    thief = Browser(open_idp.url)
    assert thief.open(waiting.url).status_code == 400
    begun(open_idp, thief, form(thief), **fields(f"{name}-2"))
    stolen = {
        **Page(waiting).forms["verify"].fields,
        "csrf": Page(thief.open(f"{open_idp.url}/signup")).forms["signup"].fields["csrf"],
    }
    refused = thief.http.post(f"{open_idp.url}/email/verify", data={**stolen, "code": code_in(letter)}, timeout=30)
    assert refused.status_code == 400
    assert not exists(open_idp, name)


def test_five_wrong_codes_end_a_letter_and_another_one_begins_anew(
    open_idp: RunningIdp, browser: Browser, name: str
) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    for _ in range(5):
        assert browser.submit(Page(waiting), "verify", code="0000 0000").status_code == 400
    assert browser.submit(Page(waiting), "verify", code=code_in(letter)).status_code == 400
    assert not exists(open_idp, name)
    browser.submit(Page(waiting), "signup-again")
    second = letters_to(open_idp, f"{name}@example.com", 2)[-1]
    assert browser.open(link_in(letter)).status_code == 400, "a newer letter voids the earlier one"
    assert "Your account is made" in browser.submit(Page(waiting), "verify", code=code_in(second)).text


def test_a_name_that_somebody_has_is_told_once_the_address_is_proved(
    open_idp: RunningIdp, app: App, browser: Browser, name: str
) -> None:
    open_idp.user(taken := f"{name}-taken")
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name, username=taken))
    assert "is taken" not in waiting.text
    told = browser.submit(Page(waiting), "verify", code=code_in(letter))
    assert told.status_code == 400
    assert "This user name is taken" in told.text
    again = browser.submit(Page(told), "verify", username=taken.upper())
    assert (again.status_code, "This user name is taken" in again.text) == (400, True)
    assert "Your account is made" in browser.submit(Page(again), "verify", username=name).text
    assert open_idp.cli("user", "show", name)["email"] == f"{name}@example.com"
    assert can_log_in(open_idp, app, name, PASSWORD)


def test_a_sign_up_holds_no_name(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    begun(open_idp, browser, form(browser), **fields(name, email=f"{name}-squatter@example.com"))
    other = Browser(open_idp.url)
    assert "Your account is made" in joined(open_idp, other, form(other), **fields(name)).text


def test_an_address_that_got_an_account_meanwhile_is_told_to_who_reads_its_mail(
    open_idp: RunningIdp, browser: Browser, name: str
) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    open_idp.user(f"{name}-2", "--email", f"{name}@example.com")
    told = browser.submit(Page(waiting), "verify", code=code_in(letter))
    assert (told.status_code, Page(told).main["data-error"]) == (400, "taken")
    assert not exists(open_idp, name)


def test_a_day_later_it_is_worth_nothing(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    database = databases.open_database(load(open_idp.environ).database)
    with database.write() as tx:
        later = sa.update(SignUpRow).where(SignUpRow.email == f"{name}@example.com")
        tx.execute(later.values(expires_at=SignUpRow.expires_at - 86400))
    database.engine.dispose()
    assert browser.open(link_in(letter)).status_code == 400
    assert browser.submit(Page(waiting), "verify", code=code_in(letter)).status_code == 400
    assert browser.submit(Page(waiting), "signup-again").status_code == 400
    assert not exists(open_idp, name)


def test_receivers_hear_of_an_account_once_it_is_there(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    with ReceiverServer() as server:
        made = open_idp.cli("receiver", "create", server.url, "--events", "user.*", "--audience", API)
        waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
        begun(open_idp, browser, form(browser), **fields(f"{name}-never"))
        browser.submit(Page(waiting), "verify", code=code_in(letter))
        eventually(lambda: bool(server.claims))
        open_idp.cli("receiver", "delete", made["id"])
    (told,) = [one["events"]["urn:idp:event:user.created"]["user"] for one in server.claims]
    assert (told["username"], told["email"], told["email_verified"]) == (name, f"{name}@example.com", True)


@pytest.mark.parametrize("known", [True, False])
def test_letters_to_one_address_are_counted(open_idp: RunningIdp, name: str, known: bool) -> None:
    if known:
        open_idp.user(f"{name}-there", "--email", f"{name}@example.com")
    statuses = []
    for _ in range(3):
        browser = Browser(open_idp.url)
        waiting = browser.submit(form(browser), "signup", **fields(f"{name}-2", email=f"{name}@example.com"))
        again = browser.submit(Page(waiting), "signup-again")
        statuses += [waiting.status_code, again.status_code]
    assert statuses == [200] * 5 + [429]
    assert len(letters_to(open_idp, f"{name}@example.com", 5)) == 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "short"}, "password"),
        ({"username": "x" * 65}, "user name"),
        ({"username": "somebody@else.example"}, "user name"),
        ({"email": "nobody"}, "e-mail address"),
        ({"email": ""}, "e-mail address"),
    ],
)
def test_what_can_be_no_account_is_said_at_once_at_the_field_that_is_wrong(
    open_idp: RunningIdp, browser: Browser, name: str, wrong: dict[str, str], words: str
) -> None:
    refused = browser.submit(form(browser), "signup", **{**fields(name), **wrong})
    assert refused.status_code == 400
    assert words in refused.text
    assert "signup" in Page(refused).forms
    assert focused(refused) == list(wrong)


def test_without_a_password_too_the_field_that_is_wrong_has_the_focus(
    open_idp: RunningIdp, browser: Browser, name: str
) -> None:
    page = Page(browser.open(f"{open_idp.url}/signup/passkey"))
    assert focused(page.response) == ["username"]
    for wrong in ({"username": "x" * 65}, {"email": "nobody"}):
        refused = browser.submit(page, "signup", **{"username": name, "email": f"{name}@example.com", **wrong})
        assert (refused.status_code, focused(refused)) == (400, list(wrong))
        assert 'aria-describedby="alert" aria-invalid="true"' in refused.text


def test_a_link_of_a_sign_up_is_no_link_for_another_purpose(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    _, letter = begun(open_idp, browser, form(browser), **fields(name))
    for path in ("/password/reset", "/email/confirm", "/email/approve", "/login/email/link"):
        crossed = requests.get(link_in(letter).replace("/email/verify", path), timeout=30)
        assert crossed.status_code in {400, 404}
    assert not exists(open_idp, name)


def test_forms_of_ours_alone_prove_an_address(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    posted = Page(browser.open(link_in(letter))).forms["verify"]
    for data in (
        {**posted.fields, "csrf": ""},
        {**Page(waiting).forms["verify"].fields, "csrf": "x", "code": code_in(letter)},
    ):
        assert browser.http.post(posted.action, data=data, timeout=30).status_code == 400
    assert not exists(open_idp, name)


@pytest.mark.parametrize("by", ["link", "code"])
def test_of_a_thousand_uses_at_once_one_makes_an_account(
    open_idp: RunningIdp, browser: Browser, name: str, by: str
) -> None:
    waiting, letter = begun(open_idp, browser, form(browser), **fields(name))
    page = Page(waiting) if by == "code" else Page(browser.open(link_in(letter)))
    given = {"code": code_in(letter)} if by == "code" else {}
    answers = crowd([(page.forms["verify"], browser.http.cookies.get_dict())], **given)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(303), set(statuses)) == (1, {303, 400})
    assert [one["username"] for one in open_idp.cli("user", "list")].count(name) == 1


@pytest.mark.parametrize("same", ["email", "username"])
def test_of_many_who_want_one_at_once_one_gets_it(open_idp: RunningIdp, name: str, same: str) -> None:
    ready = []
    for number in range(4):
        browser, wanted = Browser(open_idp.url), fields(f"{name}-{number}")
        wanted[same] = {"email": f"{name}@example.com", "username": name}[same]
        _, letter = begun(open_idp, browser, form(browser), **wanted)
        ready.append((browser, Page(browser.open(link_in(letter)))))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: one[0].submit(one[1], "verify"), ready))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    people = [person for person in open_idp.cli("user", "list") if person["username"].startswith(name)]
    assert len(people) == 1
    losers = [(one[0], answer) for one, answer in zip(ready, answers, strict=True) if answer.status_code == 400]
    if same == "email":
        assert {Page(answer).main["data-error"] for _, answer in losers} == {"taken"}
    else:
        browser, answer = losers[0]
        assert "Your account is made" in browser.submit(Page(answer), "verify", username=f"{name}-free").text


def test_nothing_that_waits_can_be_read_in_the_database(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    _, letter = begun(open_idp, browser, form(browser), **fields(name))
    database = databases.open_database(load(open_idp.environ).database)
    with database.read() as tx:
        kept = str([tx.execute(sa.select(row.__table__)).all() for row in (SignUpRow, JobRow)])
    database.engine.dispose()
    assert f"{name}@example.com" in kept
    for secret in (link_in(letter).partition("token=")[2], code_in(letter).replace(" ", ""), PASSWORD):
        assert secret not in kept


def counted(open_idp: RunningIdp, kind: str) -> int:
    """How often the metrics say that this happened to sign-ups."""
    metrics = requests.get(f"http://127.0.0.1:{open_idp.environ['IDP_METRICS_PORT']}/metrics", timeout=30).text
    return int(float((re.findall(rf'^idp_sign_ups_total{{kind="{kind}"}} (\S+)$', metrics, re.MULTILINE) or [0])[0]))


def test_sign_ups_are_counted_and_told_by_the_audit_trail(open_idp: RunningIdp, browser: Browser, name: str) -> None:
    before = {kind: counted(open_idp, kind) for kind in ("begun", "asked_again", "finished")}
    waiting, _ = begun(open_idp, browser, form(browser), **fields(f"{name}-never"))
    browser.submit(Page(waiting), "signup-again")
    joined(open_idp, browser, form(browser), **fields(name))
    more = {"begun": 2, "asked_again": 1, "finished": 1}
    eventually(lambda: all(counted(open_idp, kind) >= before[kind] + more[kind] for kind in more), 60)
    database = databases.open_database(load(open_idp.environ).database)
    with database.read() as tx:
        newest = sa.select(AuditRow.event, AuditRow.entry, AuditRow.sub).order_by(AuditRow.sequence.desc()).limit(20)
        rows = [row for row in tx.execute(newest) if row.event.startswith("sign_up.")]
    database.engine.dispose()
    done, begun_last, begun_first = rows[:3]
    assert [row.event for row in (done, begun_last, begun_first)] == [
        "sign_up.finished",
        "sign_up.begun",
        "sign_up.begun",
    ]
    assert done.sub == open_idp.cli("user", "show", name)["sub"]
    signups = [json.loads(row.entry)["signup"] for row in (done, begun_last, begun_first)]
    assert signups[0] == signups[1] != signups[2]
    assert name not in str(rows), "nothing of who they would be is told before they proved it"
    assert open_idp.cli("audit", "verify")["broken_at"] is None


def test_where_no_letters_go_out_nobody_is_asked_for_an_address(tmp_path: Path, name: str) -> None:
    with RunningIdp(tmp_path, signup="on", mail_url="console://") as idp:
        idp.user(f"{name}-there")
        browser = Browser(idp.url)
        assert "email" not in form(browser).forms["signup"].fields
        made = browser.submit(form(browser), "signup", **fields(name, email=f"{name}-there@example.com"))
        assert "Your account is made" in made.text
        told = idp.cli("user", "show", name)
        assert (told["email"], told["email_verified"]) == (None, False)
        taken = browser.submit(form(browser), "signup", **fields(name))
        assert (taken.status_code, "This user name is taken" in taken.text) == (400, True)
