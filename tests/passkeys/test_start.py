"""Starting a server loads nothing of what checks passkeys: most processes never see one."""

from __future__ import annotations

import subprocess
import sys


def test_the_library_is_loaded_with_the_first_passkey() -> None:
    code = "import sys, idp.app, idp.wsgi; sys.exit('webauthn' in sys.modules or 'cbor2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
