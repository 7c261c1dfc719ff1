"""The console script, also `python -m resource_server`: it loads with the collector off, since imports make nothing that is garbage.

A quarter of the start would go into collecting what is still needed; what is loaded by then is never looked at again.
"""

from __future__ import annotations

import gc

gc.disable()

from resource_server.cli import main  # noqa: E402 - only now, see above

gc.freeze()
gc.enable()

__all__ = ["main"]

if __name__ == "__main__":
    main()
