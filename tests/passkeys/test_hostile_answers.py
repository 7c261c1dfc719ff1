"""Answers of passkeys with bits turned, cut, doubled or replaced: never a 500, never a login, never a passkey."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import cbor2
import requests

from tests.passkeys.holder import FORM, NEW, NEW_FORM, SECURITY, Holder, options_of
from tests.support.authenticator import Authenticator, b64, unb64
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp

SEED = int(os.environ.get("FUZZ_SEED", "20260101"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "120"))
ODD: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, "", "\u0000", "\ud800", [], {}, [[]] * 9, "A" * 9000)


def spoiled(answer: str, dice: random.Random) -> str:
    """The answer with one of its parts changed."""
    told = json.loads(answer)
    parts = told["response"]
    name = dice.choice([key for key in parts if key != "transports"])
    match dice.randrange(4):
        case 0:
            parts[name] = b64(_bent(unb64(parts[name]), dice))
        case 1:
            parts[name] = dice.choice(ODD)
        case 2:
            told[dice.choice(list(told))] = dice.choice(ODD)
        case _:
            told["response"] = {key: parts[key] for key in parts if key != name}
    text = json.dumps(told)
    return text if dice.random() < 0.9 else text[: dice.randrange(len(text))]


def _bent(raw: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(raw))
    match dice.randrange(4):
        case 0:
            return raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :]
        case 1:
            return raw[:at]
        case 2:
            return raw + raw[:at]
        case _:
            return raw[:at] + dice.randbytes(dice.randrange(1, 60)) + raw[at:]


def test_spoiled_answers_open_nothing(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    """The challenge of each is good; a good login now and then keeps the limit away."""
    dice = random.Random(SEED)
    for number in range(ROUNDS):
        if number % 8 == 0:
            assert holder.sign_in(Browser(idp.url)).status_code == 200
        page = Page(browser.open(f"{idp.url}{SECURITY}"))
        text = spoiled(holder.authenticator.get(options_of(page.response)), dice)
        response = _posted(browser, page, FORM, text)
        assert response.status_code == 400, f"seed {SEED}, round {number}: {response.status_code} {text}"
        assert "idp-session" not in browser.http.cookies


def test_spoiled_new_passkeys_are_not_kept(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    """The challenge of each is good, so that all that follows it is reached."""
    dice = random.Random(SEED + 1)
    holder.sign_in(browser)
    for number in range(ROUNDS):
        page = Page(browser.open(f"{idp.url}{NEW}"))
        device = Authenticator(idp.url)
        text = _spoiled_attestation(device.create(options_of(page.response)), dice)
        response = _posted(browser, page, NEW_FORM, text)
        assert response.status_code in (303, 400), f"seed {SEED}, round {number}: {response.status_code} {text}"
        if response.status_code == 303:  # bits that say nothing, such as those of the AAGUID
            form = browser.open(f"{idp.url}{SECURITY}").text.rsplit("/passkeys/remove", 1)[1]
            fields = [part.split('"')[0] for part in form.split('value="')[1:3]]
            data = dict(zip(("csrf", "passkey"), fields, strict=True))
            browser.http.post(f"{idp.url}{SECURITY}/passkeys/remove", data=data, timeout=30)


def _spoiled_attestation(answer: str, dice: random.Random) -> str:
    told = json.loads(answer)
    attestation = cbor2.loads(unb64(told["response"]["attestationObject"]))
    match dice.randrange(3):
        case 0:
            attestation["authData"] = _bent(attestation["authData"], dice)
        case 1:
            attestation[dice.choice(list(attestation))] = dice.choice((None, 1, b"", "x", [], {1: 2}, 1.5, -1, True))
        case _:
            attestation = dice.choice((None, 1, [], {}, {"fmt": "none"}, {1: attestation}, [attestation]))
    told["response"]["attestationObject"] = b64(cbor2.dumps(attestation))
    return json.dumps(told)


def _posted(browser: Browser, page: Page, form: str, text: str) -> requests.Response:
    target = page.forms[form]
    data = {**target.fields, "response": text.encode("utf-8", "surrogatepass")}
    return browser.http.post(target.action, data=data, allow_redirects=False, timeout=30)
