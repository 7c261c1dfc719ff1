"""Freeze the documents as they are now (`python -m tests.contracts.freeze`): after additions; what breaks is a new version."""

from __future__ import annotations

import json

from tests.contracts.generated import CONTRACTS, FROZEN, generated

if __name__ == "__main__":
    for service, version in CONTRACTS:
        text = json.dumps(generated()[service, version], indent=1, sort_keys=True, ensure_ascii=False)
        (FROZEN / f"{service}-{version}.json").write_text(f"{text}\n", "utf-8")
