"""A directory of secrets, as containers mount them: one file a setting, its name the setting's, in any case, with hyphens or underscores.

Files that are somebody else's (another prefix) are passed over, and so are hidden ones: Kubernetes keeps its own there.
"""

from __future__ import annotations

from pathlib import Path

from setting_sources.files import read_secret


def read_directory(folder: Path, prefix: str, faults: list[str]) -> dict[str, str]:
    """What the files say, by the name of the setting without its prefix."""
    if not folder.is_dir():
        faults.append(f"{prefix}SECRETS_DIR: {folder} is no folder")
        return {}
    found = {}
    for path in sorted(folder.iterdir()):
        name = plain(path.name)
        if name.startswith(prefix.lower()) and path.is_file():
            value = read_secret(path, path.name, faults)
            if value:
                found[name.removeprefix(prefix.lower())] = value
    return found


def plain(name: str) -> str:
    """A name as fields have it: `idp.master-key` is `idp_master_key`."""
    return name.lower().replace("-", "_").replace(".", "_")
