"""Settings (rung: pure). What the environment may say, and how a mistake is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harmony.config import PREFIX, SETTINGS, Settings, SettingsError

ROOT = Path(__file__).resolve().parent.parent


def test_it_starts_with_nothing_set() -> None:
    settings = Settings.from_environment({})
    assert settings.bind == ("127.0.0.1", 8000)
    assert settings.database_file == ROOT.joinpath("instance", "harmony.db")
    assert not settings.demo


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND", "8000"),
        ("BIND", "127.0.0.1:99999"),
        ("BIND", ":80"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgres://host/db"),
        ("DATABASE_URL", "postgresql+psycopg://host/db"),
        ("DATABASE_URL", "postgresql://user:canary@host"),
        ("DATABASE_URL", "postgresql://user:canary@host:port/db"),
        ("DATABASE_URL", "postgresql://user:can#ary@host/db"),
        ("DATABASE_URL", "postgresql://user:canary@[host/db"),
        ("DATABASE_URL", "sqlite://"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "many"),
        ("LOG_LEVEL", "LOUD"),
        ("PUBLIC_URL", "harmony.example.com"),
        ("PUBLIC_URL", "https://example.com/harmony"),
        ("OUTBOUND_DENY", "10.0.0.0/33"),
        ("SECRET_KEY", "short"),
        ("DEMO", "yes"),
    ],
)
def test_it_refuses_a_malformed_value_in_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({PREFIX + name: value})
    sentence = str(refused.value)
    assert sentence.startswith(PREFIX + name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "can" not in sentence.replace("cannot", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "sqlite:////data/harmony.db"),
        ("sqlite:////srv/other.db", "sqlite:////srv/other.db"),
        ("postgresql://kim:p%40ss@db.example.com:5433/harmony", None),
        ("postgresql:///harmony?host=/run/postgresql", None),
        ("postgresql://db.example.com/harmony?sslmode=verify-full", None),
    ],
)
def test_it_knows_two_kinds_of_database(url: str, expected: str | None) -> None:
    assert Settings.from_environment({"HARMONY_DATABASE_URL": url}).database_url == url
    settings = Settings(data_dir=Path("/data"), database_url=url)
    assert settings.database_address == (expected or url)
    assert (settings.database_file is None) is (expected is None)


def test_the_address_of_the_database_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://kim:canary@host/harmony\n")
    settings = Settings.from_environment({"HARMONY_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == "postgresql://kim:canary@host/harmony"
    assert "canary" not in repr(settings)


def test_it_refuses_a_setting_it_does_not_know() -> None:
    with pytest.raises(SettingsError, match="HARMONY_BNID is not a setting"):
        Settings.from_environment({"HARMONY_BNID": "127.0.0.1:8000"})


def test_it_leaves_the_environment_of_others_alone() -> None:
    assert Settings.from_environment({"PATH": "/bin", "HARMONIOUS": "1"}).log_level == "INFO"


def test_it_reads_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 40 + "\n")
    assert Settings.from_environment({"HARMONY_SECRET_KEY_FILE": str(file)}).secret_key == "k" * 40


def test_it_refuses_a_secret_given_twice_or_in_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.from_environment({"HARMONY_SECRET_KEY_FILE": missing})
    with pytest.raises(SettingsError, match="not both"):
        Settings.from_environment({"HARMONY_SECRET_KEY": "k" * 40, "HARMONY_SECRET_KEY_FILE": missing})


def test_it_never_shows_a_secret() -> None:
    settings = Settings.from_environment(
        {"HARMONY_SECRET_KEY": "canary" * 8, "HARMONY_VAULT_KEYS": "canary2"}
    )
    assert "canary" not in repr(settings)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `HARMONY_(\w+)` \| (?:`([^`]*)`|) *\| (.+?) \|$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [(setting.name, setting.default, setting.meaning) for setting in SETTINGS]
