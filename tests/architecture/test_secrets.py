"""No secret was ever committed: neither in a file that is there nor in one that was."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|\s|[+\- ])*[A-Za-z0-9+/=]{40,}"),
    "a private JWK": re.compile(r'"d"\s*:\s*"[A-Za-z0-9_-]{40,}"'),
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})\b"),
    "a token of GitLab": re.compile(r"\bglpat-[\w-]{20,}\b"),
    "a token of Slack": re.compile(r"\bxox[abprs]-[\w-]{20,}\b"),
    "a live key of a payment provider": re.compile(r"\b[rs]k_live_\w{16,}\b"),
    "a key of Google": re.compile(r"\bAIza[\w-]{35}\b"),
    "a token of Vault": re.compile(r"\bhv[sb]\.[\w-]{24,}"),
    "a password in a URL to a host that exists": re.compile(
        r"://[^\s/:@{}$<>]+:[^\s/:@{}$<>]{8,}@(?!127\.|localhost|\[::1\])[\w.-]+\.(?:com|net|org|io)\b"
    ),
}
PUBLISHED = ("example.com", "example.net", "example.org", "jpsQnnGQmL", "nWGxne_9Wm")
"""What is everybody's: hosts that are nobody's (RFC 2606), the keys of RFC 7515 appendix A.3 and RFC 8037 appendix A.1."""


def found_in(text: str) -> list[str]:
    """What kinds of secrets stand there."""
    return [kind for kind, pattern in SECRETS.items() if any(_is_secret(one.group()) for one in pattern.finditer(text))]


def _is_secret(found: str) -> bool:
    return not any(known in found for known in PUBLISHED)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE KEY-----\n" + "MHcCAQEE" * 8,
        "+-----BEGIN PRIVATE KEY-----\n+" + "MHcCAQEE" * 8,
        '{"kty": "EC", "d": "' + "a" * 43 + '"}',
        "token = gh" + "p_" + "a" * 36,
        "postgresql://idp:" + "hunter2hunter2" + "@db.company.com/idp",
    ],
)
def test_the_scanner_sees_what_it_looks_for(text: str) -> None:
    assert found_in(text)


def test_no_file_and_no_commit_holds_a_secret() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        texts = {str(path): path.read_text("utf-8", "replace") for path in ROOT.rglob("*") if _is_ours(path)}
        assert not {path: kinds for path, text in texts.items() if (kinds := found_in(text))}
        return
    history = subprocess.run(
        ["git", "log", "-p", "--no-color", "--format=commit %H", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=100,
    )
    commits = re.split(r"^commit ", history.stdout.decode("utf-8", "replace"), flags=re.MULTILINE)
    assert len(commits) > 1
    assert not {commit[:12]: kinds for commit in commits if (kinds := found_in(commit))}


def _is_ours(path: Path) -> bool:
    return (
        path.is_file() and path.suffix in {".py", ".env", ".md", ".json", ".yaml", ".cfg"} and ".venv" not in path.parts
    )
