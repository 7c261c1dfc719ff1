"""Whether everything is run, `make test-full`, or the selection that every change can afford."""

from __future__ import annotations

import os

FULL = os.environ.get("FULL") == "1"
