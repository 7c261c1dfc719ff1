"""Codes of authenticator apps."""

from __future__ import annotations

import time

import pyotp

_STEP, _ENOUGH = 30, 8


def earlier(secret: str) -> str:
    """A code that is accepted now, and some seconds from now, and leaves the present one for the next use."""
    left = _STEP - time.time() % _STEP
    if left < _ENOUGH:
        time.sleep(left)
    return pyotp.TOTP(secret).at(int(time.time()) - _STEP)
