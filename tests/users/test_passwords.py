"""Passwords at rest and at login: what is accepted, how it is kept, and that strangers cost as much as people."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys
import unicodedata
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event, current_thread
from unittest import mock

import argon2
import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.errors import Refused, Unavailable
from idp.platform.secrets import MasterKey
from idp.users.common_passwords import common_words
from idp.users.passwords import MAX_BYTES, Check, check_acceptable
from tests.users.support import MASTER, PASSWORD, Town, hasher

OURS = hasher()


def accepted(password: str, *names: str, min_length: int = 15) -> bool:
    try:
        check_acceptable(password, min_length=min_length, context=names)
    except Refused as refused:
        assert refused.code == "password"
        assert not password or password not in refused.description
        return False
    return True


# -- at rest ----------------------------------------------------------------------------------------------------------


def test_a_password_is_kept_as_bcrypt_over_a_keyed_hash() -> None:
    """STANDARDS: NFC, HMAC-SHA-256 with the pepper, base64, bcrypt."""
    scheme, pepper_id, slow = OURS.hash(PASSWORD).split("$", 2)
    keyed = hmac.digest(MASTER.derive("password-pepper"), PASSWORD.encode(), "sha256")
    assert (scheme, len(pepper_id)) == ("idp1", 8)
    assert slow.startswith("$2b$04$")
    assert bcrypt.checkpw(base64.b64encode(keyed), slow.encode())
    assert not bcrypt.checkpw(PASSWORD.encode(), slow.encode()), "the database alone cannot be guessed against"


@settings(deadline=None, max_examples=40)
@given(st.text(min_size=1, max_size=80).filter(lambda text: "\x00" not in text and text.isprintable()))
def test_every_password_fits_itself_and_no_other(password: str) -> None:
    stored = OURS.hash(password)
    assert OURS.verify(password, stored) == Check(ok=True, outdated=False)
    assert not OURS.verify(password + "x", stored).ok
    assert password not in stored or len(password) < 4


def test_the_same_password_is_never_kept_the_same_way_twice() -> None:
    assert OURS.hash(PASSWORD) != OURS.hash(PASSWORD)


def test_every_byte_of_a_long_password_counts() -> None:
    long = "a b" * 341 + "x"
    assert len(long.encode()) == MAX_BYTES
    stored = OURS.hash(long)
    assert OURS.verify(long, stored).ok
    assert not OURS.verify(long[:-1] + "y", stored).ok
    assert not OURS.verify(long[:72], stored).ok


@pytest.mark.parametrize("password", ["", "\x00", "a\x00b", "x" * (MAX_BYTES + 1), "ä" * 513, "\ud800", "x" * 10**6])
def test_what_is_no_password_matches_nothing_and_is_not_hashed(password: str) -> None:
    with mock.patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as checked:
        assert OURS.verify(password, OURS.hash(PASSWORD)) == Check(ok=False)
        assert OURS.verify(password, None) == Check(ok=False)
    assert checked.call_count == 0
    assert not accepted(password)


def test_a_password_is_the_same_in_every_way_to_write_it() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zürcher Geschnetzeltes é") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert OURS.verify(decomposed, OURS.hash(composed)).ok
    assert OURS.verify(composed, OURS.hash(decomposed)).ok
    assert not OURS.verify(composed.casefold(), OURS.hash(composed)).ok


def test_a_password_in_argon2_when_that_is_chosen() -> None:
    stronger = hasher(scheme="argon2id")
    stored = stronger.hash(PASSWORD)
    assert "$argon2id$" in stored
    assert stronger.verify(PASSWORD, stored) == Check(ok=True)
    assert not stronger.verify(PASSWORD + "x", stored).ok
    assert OURS.verify(PASSWORD, stored) == Check(ok=True, outdated=True)
    assert stronger.verify(PASSWORD, OURS.hash(PASSWORD)) == Check(ok=True, outdated=True)


def test_another_cost_is_outdated_and_another_pepper_opens_nothing() -> None:
    assert hasher(cost=5).verify(PASSWORD, OURS.hash(PASSWORD)) == Check(ok=True, outdated=True)
    assert not hasher(master=MasterKey(b"x" * 32)).verify(PASSWORD, OURS.hash(PASSWORD)).ok


# -- imported ---------------------------------------------------------------------------------------------------------

SALT = b"0123456789abcdef"


def ab64(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode().replace("+", ".")


def pbkdf2(algorithm: str) -> bytes:
    return hashlib.pbkdf2_hmac(algorithm, PASSWORD.encode(), SALT, 1000)


IMPORTED = {
    "bcrypt 2b": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "bcrypt 2y": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    "bcrypt 2a": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode(),
    "Django": f"pbkdf2_sha256$1000${SALT.decode()}${base64.b64encode(pbkdf2('sha256')).decode()}",
    "passlib sha256": f"$pbkdf2-sha256$1000${ab64(SALT)}${ab64(pbkdf2('sha256'))}",
    "passlib sha512": f"$pbkdf2-sha512$1000${ab64(SALT)}${ab64(pbkdf2('sha512'))}",
    "scrypt": "$scrypt$ln=4,r=8,p=1$"
    f"{ab64(SALT)}${ab64(hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=16, r=8, p=1, dklen=32))}",
    "Argon2id": argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD),
}


@pytest.mark.parametrize("name", IMPORTED)
def test_an_imported_hash_is_verified_as_it_is_and_to_be_written_anew(name: str) -> None:
    assert OURS.verify(PASSWORD, IMPORTED[name]) == Check(ok=True, outdated=True)
    assert not OURS.verify(PASSWORD + "x", IMPORTED[name]).ok


def test_an_imported_bcrypt_hash_of_a_long_password_is_verified_as_it_was_made() -> None:
    long = "x y" * 40
    assert OURS.verify(long, bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()).ok


BROKEN = [
    *("", "x", "plain text", PASSWORD, "$", "$$$$", "$2b$", "$2b$04$short", "$2b$99$" + "a" * 53, "$argon2id$", "é"),
    *("pbkdf2_sha256$x$y$z", "pbkdf2_md5$1$c2FsdA==$" + "A" * 24, "$pbkdf2-sha256$0$AAAA$AAAA", "$pbkdf2-sha1$1$A$A"),
    *("pbkdf2_sha256$99999999999$salt$" + "A" * 44, "$scrypt$ln=x$A$B", "$scrypt$ln=40,r=8,p=1$AAAA$" + "A" * 43),
    *("$scrypt$ln=99999,r=8,p=1$AAAA$" + "A" * 43, "idp1$", "idp1$x", "idp1$x$y", "idp1$$$2b$04$short", "$5$a$b"),
]


@pytest.mark.parametrize("stored", BROKEN)
def test_a_stored_form_that_is_none_matches_nothing_and_breaks_nothing(stored: str) -> None:
    assert not OURS.verify(PASSWORD, stored).ok


@pytest.mark.parametrize("name", ["bcrypt 2b", "Django", "scrypt"])
def test_an_imported_hash_is_rewritten_at_the_next_login(town: Town, name: str) -> None:
    sub = town.person(password=None).sub
    with town.database.write() as tx:
        tx.exec_driver_sql("UPDATE users SET password = '" + IMPORTED[name] + "'")
    assert town.authenticate("alice", PASSWORD + "x") is None
    assert _stored(town) == IMPORTED[name]
    person = town.authenticate("alice", PASSWORD)
    assert person is not None
    assert person.sub == sub
    assert _stored(town).startswith("idp1$")
    assert town.authenticate("alice", PASSWORD) is not None


def _stored(town: Town) -> str:
    with town.database.read() as tx:
        return str(tx.exec_driver_sql("SELECT password FROM users").scalar())


def test_a_login_that_rewrites_does_not_undo_a_new_password_of_the_same_moment(town: Town) -> None:
    sub = town.person(password=None).sub
    with town.database.write() as tx:
        tx.exec_driver_sql("UPDATE users SET password = '" + IMPORTED["bcrypt 2b"] + "'")
    rewrite = town.passwords.hash

    def meanwhile(password: str) -> str:
        with mock.patch.object(town.passwords, "hash", rewrite):
            town.accounts.set_password(sub, "another horse 48 staple")
        return rewrite(password)

    with mock.patch.object(town.passwords, "hash", meanwhile):
        town.authenticate("alice", PASSWORD)
    assert town.authenticate("alice", PASSWORD) is None
    assert town.authenticate("alice", "another horse 48 staple") is not None


# -- strangers --------------------------------------------------------------------------------------------------------


def test_whoever_logs_in_costs_one_hash_whether_they_exist_or_not(town: Town) -> None:
    town.person("alice")
    town.person("without", password=None)
    town.accounts.disable(town.person("disabled").sub)
    counts = {}
    for name in ("alice", "without", "disabled", "nobody", "alice@example.com", "nobody@example.com", "", "x" * 254):
        with mock.patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as checked:
            assert town.authenticate(name, "a wrong password") is None
        counts[name] = [call.args[1][:7] for call in checked.call_args_list]
    assert set(map(tuple, counts.values())) == {(b"$2b$04$",)}, counts


def test_a_disabled_person_and_one_without_a_password_do_not_get_in(town: Town) -> None:
    town.person("without", password=None)
    town.accounts.disable(town.person("disabled").sub)
    assert town.authenticate("without", PASSWORD) is None
    assert town.authenticate("disabled", PASSWORD) is None


def test_when_too_many_wait_the_next_is_sent_away_and_later_ones_get_in() -> None:
    small = hasher(workers=1, queue=2)
    stored, hold = small.hash(PASSWORD), Event()

    def slow(_password: bytes, _hashed: bytes) -> bool:
        return hold.wait(20)

    with mock.patch.object(bcrypt, "checkpw", slow), ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(small.verify, PASSWORD, stored) for _ in range(4)]
        (sent_away,), waiting = wait(asked, timeout=20, return_when=FIRST_COMPLETED)
        error = sent_away.exception()
        hold.set()
    assert isinstance(error, Unavailable)
    assert error.retry_after == 5
    assert [one.result() for one in waiting] == [Check(ok=True)] * 3
    assert small.verify(PASSWORD, stored).ok


# -- what is accepted -------------------------------------------------------------------------------------------------


def test_length_counts_characters_as_people_do() -> None:
    assert accepted("a b c d e f g h")
    assert not accepted("a b c d e f g ")
    assert accepted("ä b c d e f g hé")
    assert not accepted(unicodedata.normalize("NFD", "äöüéèêâîûô x y z"[:13]))
    assert accepted("pässwörter sind nie genug 日本 😀")
    assert accepted("a b c 8!", min_length=8)


def test_common_passwords_are_refused_in_any_case() -> None:
    assert {word for word in common_words() if word != word.casefold()} == set()
    for word in ("correct horse battery staple", "Correct Horse Battery Staple", "1234567890123456", "CHANGEME123"):
        assert not accepted(word, min_length=8)
    assert not accepted("a" * 20)
    assert not accepted("abcabcabcabcabcabc")


def test_a_password_made_of_ones_own_names_is_refused() -> None:
    for password in ("margaretehamilton", "MargareteHamilton1", "margaretehamilton123", "margaretehamilton!"):
        assert not accepted(password, "margaretehamilton")
    assert accepted("margaretehamilton goes to the moon", "margaretehamilton")


def test_spaces_and_every_script_are_welcome_and_no_kind_of_character_is_asked_for() -> None:
    for password in (
        "all lower case words",
        "ALL UPPER CASE WORDS",
        "   leading and trailing   ",
        "пароль из слов здесь",
    ):
        assert accepted(password)


def standing() -> tuple[int, int]:
    """How this thread stands behind others; on Linux alone a thread does so for itself."""
    if sys.platform != "linux":
        return 0, 0
    return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)


def test_hashing_takes_idle_time() -> None:
    hashpw, seen, ours = bcrypt.hashpw, [], standing()

    def watched(password: bytes, salt: bytes) -> bytes:
        seen.append(standing())
        return hashpw(password, salt)

    with mock.patch.object(bcrypt, "hashpw", watched):
        hasher().hash(PASSWORD)
    assert seen == [(os.SCHED_IDLE, ours[1]) if sys.platform == "linux" else ours]
    assert standing() == ours, "who waits for a hash stays as quick"


def test_who_finds_no_idle_time_is_hashed_beside_others_after_a_while() -> None:
    """Whatever began in idle time gets no processor, and the rest waits in line for it; nobody waits for that."""
    hurried = hasher(workers=1, patience=0.1)
    stored, hold, checkpw, ours = hurried.hash(PASSWORD), Event(), bcrypt.checkpw, standing()
    late: list[tuple[int, int]] = []

    def starved(password: bytes, hashed: bytes) -> bool:
        if current_thread().name.startswith("hash"):
            return hold.wait(20)
        late.append(standing())
        return checkpw(password, hashed)

    with mock.patch.object(bcrypt, "checkpw", starved), ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(hurried.verify, password, stored) for password in (PASSWORD, PASSWORD, PASSWORD + "x")]
        answers = [one.result(20) for one in asked]
        hold.set()
    assert [one.ok for one in answers] == [True, True, False]
    assert late == [(ours[0], max(ours[1], 10)) if sys.platform == "linux" else ours] * 3


def test_nobody_is_compared_as_slowly_as_somebody_and_costs_no_hash_before() -> None:
    """What bcrypt refused to read would be compared at once, and tell who exists."""
    checkpw, seen = bcrypt.checkpw, []

    def watched(password: bytes, stored: bytes) -> bool:
        seen.append((stored[:7], len(stored), checkpw(password, stored)))
        return seen[-1][2]

    with mock.patch.object(bcrypt, "hashpw") as hashed, mock.patch.object(bcrypt, "checkpw", watched):
        assert hasher().verify(PASSWORD, None) == Check(ok=False)
    hashed.assert_not_called()
    assert seen == [(b"$2b$04$", 60, False)]
