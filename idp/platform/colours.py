"""Colours that can be read: shades of one that stand out from what is behind them (WCAG 2.2 §1.4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

READABLE = 4.5
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Colour:
    """Red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def read(cls, text: str) -> Colour:
        """From `#rrggbb`."""
        return cls(*bytes.fromhex(text.removeprefix("#")))

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def light(self) -> float:
        """Relative luminance, 0 to 1."""
        red, green, blue = (_linear(part / 255) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def mixed(self, other: Colour, share: float) -> Colour:
        """With so much of another, 0 to 1."""
        pairs = ((self.red, other.red), (self.green, other.green), (self.blue, other.blue))
        return Colour(*(round(mine + (theirs - mine) * share) for mine, theirs in pairs))


BLACK, WHITE = Colour(0, 0, 0), Colour(255, 255, 255)


def contrast(one: Colour, other: Colour) -> float:
    """1 to 21."""
    low, high = sorted((one.light, other.light))
    return (high + 0.05) / (low + 0.05)


def readable(colour: Colour, grounds: Iterable[Colour], towards: Colour) -> Colour:
    """The nearest shade on the way to black or white that can be read on all of these grounds."""
    behind = tuple(grounds)
    shades = (colour.mixed(towards, step / _STEPS) for step in range(_STEPS + 1))
    return next((shade for shade in shades if all(contrast(shade, one) >= READABLE for one in behind)), towards)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
