"""The console script, also `python -m idp`: it starts with the collector off, since imports make nothing that is garbage."""

from __future__ import annotations

import gc

gc.disable()

from idp.cli import main as run  # noqa: E402 - a third of the start would go into collecting what is still needed


def main() -> None:
    """Run one command."""
    gc.enable()
    run()


if __name__ == "__main__":
    main()
