"""The master key: made once and for its owner alone, and nothing sealed opens with another or after a change."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import Refused
from idp.opening import initialize, open_house
from idp.platform.db import Database
from idp.platform.models import InstanceRow
from idp.platform.secrets import MasterKey, create_master_key, derive, read_master_key, seal, unseal
from idp.settings import Settings
from idp.settings_source import load

RAW = bytes(range(32))
KEY = MasterKey(RAW)
TEXT = base64.urlsafe_b64encode(RAW).decode()


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(clear: bytes) -> None:
    sealed = KEY.seal(clear, purpose="p")
    assert KEY.unseal(sealed, purpose="p") == clear
    assert len(clear) < 8 or clear not in sealed


def test_the_same_is_never_sealed_the_same_way_twice() -> None:
    assert len({KEY.seal(b"x", purpose="p") for _ in range(100)}) == 100


def test_every_changed_bit_and_every_cut_is_noticed() -> None:
    sealed = KEY.seal(b"secret", purpose="p")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Refused):
            KEY.unseal(bytes(changed), purpose="p")
        with pytest.raises(Refused):
            KEY.unseal(sealed[:place], purpose="p")


def test_another_key_or_another_purpose_opens_nothing() -> None:
    sealed = KEY.seal(b"secret", purpose="p")
    with pytest.raises(Refused):
        KEY.unseal(sealed, purpose="q")
    with pytest.raises(Refused):
        MasterKey(RAW[::-1]).unseal(sealed, purpose="p")
    with pytest.raises(Refused):
        unseal(derive(b"one token", "answer"), seal(derive(b"another token", "answer"), b"x"))


def test_derived_keys_and_tags_are_apart_by_purpose_and_key() -> None:
    assert len({KEY.derive("p"), KEY.derive("q"), MasterKey(RAW[::-1]).derive("p"), RAW}) == 4
    assert len({KEY.tag("x", purpose="p"), KEY.tag("y", purpose="p"), KEY.tag("x", purpose="q")}) == 3
    assert KEY.tag("x", purpose="p") == MasterKey(RAW).tag("x", purpose="p")


def test_derivation_is_hkdf_sha_256_of_the_specification() -> None:
    """RFC 5869 A.3: no salt, no info, 32 of its 42 bytes."""
    assert derive(b"\x0b" * 22, "").hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("="), f" {TEXT}\n"])
def test_a_key_is_read_with_and_without_padding(text: str) -> None:
    assert MasterKey.parse(text).derive("p") == KEY.derive("p")


BAD_TEXTS = ["", "x", TEXT[:-4], TEXT + "AAAA", "!" + TEXT, TEXT[:20] + "*" + TEXT[20:], TEXT[:20] + " " + TEXT[20:]]


@pytest.mark.parametrize("text", [*BAD_TEXTS, RAW.hex(), "é" * 43, "A" * 43 + "é", "A" * 100_000])
def test_text_that_is_not_exactly_a_key_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        MasterKey.parse(text)


def test_the_key_does_not_show_itself() -> None:
    assert repr(KEY) == str(KEY) == "MasterKey(...)"
    with pytest.raises(Refused) as raised:
        MasterKey.parse(TEXT[:-2])
    assert TEXT[:10] not in str(raised.value)


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_master_key(tmp_path / "keys")
    finally:
        os.umask(before)
    assert (tmp_path / "keys" / "master.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_the_file_is_made_once_by_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_master_key(tmp_path / "keys").derive("p"), range(32)))
    assert len(set(made)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["master.key"]


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(TEXT)
    path.chmod(0o600)
    assert create_master_key(tmp_path).derive("p") == KEY.derive("p")
    assert path.read_text() == TEXT


def test_where_there_is_no_file_there_is_no_key(tmp_path: Path) -> None:
    assert read_master_key(tmp_path) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o610])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(Refused):
        read_master_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 43, b"short"])
def test_a_broken_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Refused):
        create_master_key(tmp_path)
    assert path.read_bytes() == content


# -- the database knows its key ---------------------------------------------------------------------------------------


def settings_of(tmp_path: Path, database_url: str, **more: str) -> Settings:
    given = {"DATA_DIR": str(tmp_path / "var"), "KEYS_DIR": str(tmp_path / "keys"), "DATABASE_URL": database_url}
    return load({f"IDP_{name}": value for name, value in {**given, "BCRYPT_COST": "4", **more}.items()})


def test_a_database_opens_with_its_own_master_key_only(tmp_path: Path, database_url: str) -> None:
    settings = settings_of(tmp_path, database_url)
    initialize(settings)
    initialize(settings)
    with open_house(settings):
        pass
    other = settings_of(tmp_path, database_url, MASTER_KEY=TEXT)
    for attempt in (initialize, lambda wrong: open_house(wrong).__enter__()):
        with pytest.raises(Refused) as raised:
            attempt(other)
        assert raised.value.code == "master_key"


def test_the_database_holds_a_check_value_and_not_the_key(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    initialize(settings_of(tmp_path, database_url, MASTER_KEY=TEXT))
    with database.read() as tx:
        values = tx.execute(sa.select(InstanceRow.value)).scalars().all()
    assert len(values) == 1
    assert TEXT.rstrip("=") not in values[0]
    assert RAW.hex() not in values[0]
