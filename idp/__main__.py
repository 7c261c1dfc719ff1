"""The console script, also `python -m idp`: it starts with the collector off, since imports make nothing that is garbage.

A third of the start would go into collecting what is still needed. The command switches it on as soon as it is loaded (`idp.cli`).
"""

from __future__ import annotations

import gc

gc.disable()

from idp.cli import main  # noqa: E402 - only now, see above

__all__ = ["main"]

if __name__ == "__main__":
    main()
