"""What a login costs of CPU, less the password hash, beside Canaille's: a whole login and its code flow, in a browser that people have used.

One after the other, as they come where few people log in; both servers are asked in the same way, by `bench.browser`.
"""

from __future__ import annotations

import statistics
import time

import bcrypt

from bench import processes
from bench.browser import Browser, redemption
from bench.peer.canaille import Canaille
from bench.subject import Subject
from idp.platform.pages import DEVICE
from tests.support.running import PASSWORD

_HASHED = 0.2
"""Seconds that hashes are timed for."""


def milliseconds(subject: Subject, logins: int, device: str | None) -> float:
    """CPU milliseconds a login, less the password hash.

    Of somebody who is signed out, in a browser known by `device`; or in a new one each time, of which a mail tells them.
    """
    before = processes.cpu_seconds(subject.pid)
    with Browser(subject.idp.url) as app:
        for _ in range(logins):
            _login(subject, app, device)
    spent = (processes.cpu_seconds(subject.pid) - before) / logins
    return (spent - _hash_seconds(int(subject.idp.environ["IDP_BCRYPT_COST"]))) * 1000


def known_device(subject: Subject) -> str:
    """What a browser is known by in which somebody has logged in."""
    with Browser(subject.idp.url) as app:
        return _login(subject, app, None)


def beside(subject: Subject, peer: Canaille, rounds: int) -> tuple[float, float]:
    """`milliseconds` of ours and the peer's in turn, ten logins each in known browsers: the means, in milliseconds."""
    device, mine, theirs = known_device(subject), [], []
    milliseconds(subject, 30, device)  # both have seen some logins then
    for _ in range(rounds):
        mine.append(milliseconds(subject, 10, device))
        theirs.append(peer.login_cpu(10))
    return statistics.fmean(mine), statistics.fmean(theirs)


def _login(subject: Subject, app: Browser, device: str | None) -> str:
    """One login, and its code redeemed by the app; what its browser is known by from then on."""
    path, verifier = subject.authorize_path()
    with Browser(subject.idp.url, {DEVICE: device} if device else {}) as browser:
        answer = browser.submit(browser.open(path), username="alice", password=PASSWORD)
        tokens = app.post("/oauth/token", redemption(answer, verifier), subject.basic(subject.web))
        assert tokens.status == 200, tokens.body
        return browser.cookies[DEVICE]


def _hash_seconds(cost: int) -> float:
    salt, hashes = bcrypt.gensalt(cost), 0
    begin = time.process_time()
    while time.process_time() - begin < _HASHED or hashes < 3:
        bcrypt.hashpw(b"x" * 44, salt)
        hashes += 1
    return (time.process_time() - begin) / hashes
