"""A seam at which tests end a process: production code names the steps it takes, and nobody listens."""

from __future__ import annotations


class Steps:
    """Told of each step as it is reached. This one, the only one outside tests, does nothing."""

    def at(self, label: str) -> None:
        """A step, such as `provider.answered`: what comes after it has not happened yet."""


NO_STEPS = Steps()
