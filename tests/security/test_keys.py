"""Rung M: the generated keys are made once, whole and private, whoever starts first."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from harmony.config import Settings, SettingsError
from harmony.security.keys import decode_vault_key, new_vault_key, secret_key, vault_keys
from tests import preloaded

ROOT = Path(__file__).resolve().parents[2]
RACER = """
import sys, time
from pathlib import Path
from harmony.config import Settings
from harmony.security.keys import secret_key, vault_keys
settings = Settings(data_dir=Path(sys.argv[1]))
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
sys.stdout.write(secret_key(settings) + " " + vault_keys(settings)[0])
"""


def test_the_settings_win_over_the_files(tmp_path: Path) -> None:
    key = new_vault_key()
    settings = Settings(data_dir=tmp_path, secret_key="s" * 32, vault_keys=(key,))
    assert (secret_key(settings), vault_keys(settings)) == ("s" * 32, (key,))
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert secret_key(settings) == secret_key(settings)
    assert vault_keys(settings) == vault_keys(settings)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert files == {"secret.key": 0o600, "vault.keys": 0o600}


@pytest.mark.processes
def test_processes_that_start_together_end_with_the_same_keys(tmp_path: Path) -> None:
    racers = [preloaded.Piped("-c", RACER, str(tmp_path)) for _ in range(6)]
    assert {racer.line() for racer in racers} == {"ready"}
    for racer in racers:
        racer.tell("go")
    assert len({racer.rest() for racer in racers}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"secret.key", "vault.keys"}


def test_several_keys_stand_in_the_file_newest_first(tmp_path: Path) -> None:
    newer, older = new_vault_key(), new_vault_key()
    (tmp_path / "vault.keys").write_text(f"{newer}\n{older}\n")
    assert vault_keys(Settings(data_dir=tmp_path)) == (newer, older)


def test_what_openssl_prints_is_a_key_too() -> None:
    raw = bytes(range(224, 256))
    assert decode_vault_key(base64.b64encode(raw).decode()) == raw
    assert decode_vault_key(base64.urlsafe_b64encode(raw).decode().rstrip("=")) == raw


@pytest.mark.parametrize("bad", ["short", "", "ü" * 44, base64.b64encode(b"x" * 31).decode(), "*" * 44])
def test_a_malformed_key_is_named_by_its_place_and_not_shown(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SettingsError, match="Key 2 of HARMONY_VAULT_KEYS is not") as raised:
        vault_keys(Settings(data_dir=tmp_path, vault_keys=(new_vault_key(), bad)))
    assert not bad or bad not in str(raised.value)


def test_an_emptied_key_file_is_not_replaced_by_a_new_key(tmp_path: Path) -> None:
    (tmp_path / "vault.keys").write_text("\n")
    with pytest.raises(SettingsError, match="restore it from your backup"):
        vault_keys(Settings(data_dir=tmp_path))
    assert (tmp_path / "vault.keys").read_text() == "\n"


def test_a_cut_off_signing_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("abc")
    with pytest.raises(SettingsError, match="too short"):
        secret_key(Settings(data_dir=tmp_path))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read or created"):
        secret_key(Settings(data_dir=tmp_path / "missing"))
