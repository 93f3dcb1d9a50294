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
        ("BIND", "::1"),
        ("BIND", "::1:8000"),
        ("BIND", "[::1]"),
        ("BIND", "[::1:8000"),
        ("BIND", "[localhost]:8000"),
        ("BIND", "http://127.0.0.1:8000"),
        ("BIND", "127.0.0.1:80:80"),
        ("BIND", "unix:/run/harmony.sock"),
        ("BIND", "127.0.0.1:\uff18\uff10"),
        ("DATA_DIR", "~nobody-of-that-name/data"),
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
        ("PUBLIC_URL", "https://example.com//evil.example"),
        ("PUBLIC_URL", "https://example.com/a/../b"),
        ("PUBLIC_URL", "https://example.com/harmony?x=1"),
        ("PUBLIC_URL", "https://example.com/<script>"),
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
        ("", "/data/harmony.db"),
        ("sqlite:////srv/other.db", "/srv/other.db"),
        ("sqlite:////srv/what? 100%20#1/o.db", "/srv/what? 100%20#1/o.db"),
        ("postgresql://kim:p%40ss@db.example.com:5433/harmony", None),
        ("postgresql:///harmony?host=/run/postgresql", None),
        ("postgresql://db.example.com/harmony?sslmode=verify-full", None),
    ],
)
def test_it_knows_two_kinds_of_database(url: str, expected: str | None) -> None:
    assert Settings.from_environment({"HARMONY_DATABASE_URL": url}).database_url == url
    settings = Settings(data_dir=Path("/data"), database_url=url)
    assert settings.database_file == (Path(expected) if expected else None)


def test_the_address_of_the_database_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://kim:canary@host/harmony\n")
    settings = Settings.from_environment({"HARMONY_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == "postgresql://kim:canary@host/harmony"
    assert "canary" not in repr(settings)


def test_it_refuses_a_setting_it_does_not_know() -> None:
    with pytest.raises(SettingsError, match="HARMONY_BNID is not a setting"):
        Settings.from_environment({"HARMONY_BNID": "127.0.0.1:8000"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[::1]:8000", ("::1", 8000)),
        ("[::]:80", ("::", 80)),
        ("0.0.0.0:8000", ("0.0.0.0", 8000)),  # noqa: S104 - read, not listened on
        ("localhost:0", ("localhost", 0)),
        (" 127.0.0.1:9000\r\n", ("127.0.0.1", 9000)),
    ],
)
def test_it_listens_on_names_and_addresses_of_both_kinds(text: str, address: tuple[str, int]) -> None:
    assert Settings.from_environment({"HARMONY_BIND": text}).bind == address


SERVICES = {
    "HARMONY_PORT": "tcp://10.96.7.3:8000",
    "HARMONY_PORT_8000_TCP": "tcp://10.96.7.3:8000",
    "HARMONY_PORT_8000_TCP_ADDR": "10.96.7.3",
    "HARMONY_PORT_8000_TCP_PORT": "8000",
    "HARMONY_PORT_8000_TCP_PROTO": "tcp",
    "HARMONY_SERVICE_HOST": "10.96.7.3",
    "HARMONY_SERVICE_PORT": "8000",
    "HARMONY_SERVICE_PORT_HTTP": "8000",
    "HARMONY_WEB_SERVICE_HOST": "fd00:10:96::a",
    "HARMONY_WEB_PORT_80_TCP": "tcp://[fd00:10:96::a]:80",
    "HARMONY_MTD_DNS_PORT_53_UDP": "udp://10.96.7.9:53",
    "HARMONY_BIND_PORT": "tcp://10.96.7.9:53",
    "HARMONY_SERVICE_SERVICE_PORT": "80",
    "HARMONY_PROXY_SERVICE_PORT": "TCP://10.96.7.9:53",
}


def test_it_ignores_what_kubernetes_sets_for_services_and_names_it() -> None:
    settings = Settings.from_environment(SERVICES | {"HARMONY_BIND": "127.0.0.1:9000"})
    assert settings.ignored == tuple(sorted(SERVICES))
    assert settings.bind == ("127.0.0.1", 9000)
    assert Settings.from_environment({}).ignored == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "8000"),
        ("SERVICE_PORT", "eight"),
        ("WEB_PORT", "https://10.0.0.7"),
        ("HOST", "10.0.0.7"),
        ("PORT_8000_TCP_NAME", "web"),
    ],
)
def test_it_refuses_what_only_looks_like_a_service(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"HARMONY_{name} is not a setting"):
        Settings.from_environment({PREFIX + name: value})


EMPTY = ["", " ", "\t\r\n", "\ufeff", "\u00a0\u200b"]


@pytest.mark.parametrize("nothing", EMPTY)
def test_an_empty_value_is_as_good_as_none(nothing: str) -> None:
    names = [PREFIX + setting.name for setting in SETTINGS]
    names += [f"{PREFIX}{setting.name}_FILE" for setting in SETTINGS if setting.secret]
    assert Settings.from_environment(dict.fromkeys(names, nothing)) == Settings.from_environment({})


@pytest.mark.parametrize("nothing", EMPTY)
def test_an_empty_value_does_not_stand_in_the_way_of_a_file(tmp_path: Path, nothing: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbf" + b"k" * 40 + b"\r\n")
    given = {"HARMONY_SECRET_KEY": nothing, "HARMONY_SECRET_KEY_FILE": f" {file}\n"}
    assert Settings.from_environment(given).secret_key == "k" * 40


@pytest.mark.parametrize("nothing", EMPTY)
def test_an_empty_file_of_a_secret_is_refused(tmp_path: Path, nothing: str) -> None:
    file = tmp_path / "keys"
    file.write_text(nothing, encoding="utf-8")
    with pytest.raises(SettingsError, match="HARMONY_VAULT_KEYS_FILE names an empty file"):
        Settings.from_environment({"HARMONY_VAULT_KEYS_FILE": str(file)})


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


def test_the_documents_list_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `HARMONY_(\w+)` \| (?:`([^`]*)`|) *\| (.+?) \|$",
        (ROOT / "docs/running.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [(setting.name, setting.default, setting.meaning) for setting in SETTINGS]
