"""Settings: the only reader of the environment, typed, refusing what it does not understand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

PREFIX = "HARMONY_"
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """One sentence for the person who starts the program: which setting is wrong and what it should be."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the README's table: the name without its prefix, the default as written, the meaning."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    secret: bool = False


def _directory(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _bind(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address and a port, such as 127.0.0.1:8000")
    return host, int(port)


def _sqlite_url(text: str) -> str:
    if text and not text.startswith(SQLITE):
        raise ValueError("a SQLite file, such as sqlite:////var/lib/harmony/harmony.db")
    return text


def _database_url(text: str) -> str:
    if text and not (text.startswith(SQLITE) or _names_a_postgresql_database(text)):
        raise ValueError(
            "a SQLite file, such as sqlite:////var/lib/harmony/harmony.db, "
            "or a PostgreSQL database, such as postgresql://user:password@host/name"
        )
    return text


def _names_a_postgresql_database(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:
        return False
    named = parts.path.strip("/") and "/" not in parts.path[1:]
    return text.startswith(POSTGRESQL) and port_is_a_number and bool(named) and not parts.fragment


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}):
        raise ValueError("an address without a path, such as https://harmony.example.com")
    return text.rstrip("/")


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("0 or 1")
    return text == "1"


def _secret(text: str) -> str:
    if text and len(text) < 32:
        raise ValueError("at least 32 characters")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks with commas between, such as 10.0.0.0/8,fd00::/8") from None


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


DAYS = _between(1, 3650)
SETTINGS = (
    Setting(
        "DATA_DIR", "instance", "The folder of the database, the queue and the generated keys.", _directory
    ),
    Setting("BIND", "127.0.0.1:8000", "The address and port the dashboard listens on.", _bind),
    Setting(
        "DATABASE_URL",
        "",
        "A SQLite file elsewhere than in the data folder, or `postgresql://user:password@host/name`.",
        _database_url,
        True,
    ),
    Setting("QUEUE_URL", "", "A SQLite file for the queue elsewhere than in the data folder.", _sqlite_url),
    Setting(
        "SECRET_KEY", "", "Signs the queue's messages; made in the data folder when empty.", _secret, True
    ),
    Setting(
        "VAULT_KEYS",
        "",
        "Keys of the stored secrets, newest first, commas between; made in the data folder when empty.",
        _keys,
        True,
    ),
    Setting(
        "TRUSTED_PROXIES", "0", "How many reverse proxies stand in front and may be believed.", _between(0, 9)
    ),
    Setting("PUBLIC_URL", "", "The address people type; other host names are then refused.", _public_url),
    Setting("FETCHERS", "4", "How many pages of devices are fetched at once, 1 to 16.", _between(1, 16)),
    Setting("CALLS_PER_MINUTE", "1000", "The most calls a minute to one UEM, 1 to 4999.", _between(1, 4999)),
    Setting("APPS_QUOTA_PERCENT", "20", "Percent of a day's calls for reading apps.", _between(1, 100)),
    Setting("OUTBOUND_ALLOW", "", "The only networks a UEM may be in; empty: all but refused.", _networks),
    Setting("OUTBOUND_DENY", "", "Networks a UEM may never be in.", _networks),
    Setting(
        "RUNS_KEPT_DAYS",
        "90",
        "Days for which ended runs are kept, 1 to 3650; the newest and the last complete one always are.",
        DAYS,
    ),
    Setting(
        "HISTORY_KEPT_DAYS", "365", "Days for which the lines of device histories are kept, 1 to 3650.", DAYS
    ),
    Setting("EVENTS_KEPT_DAYS", "365", "Days for which events and ended findings are kept, 1 to 3650.", DAYS),
    Setting("AUDIT_KEPT_DAYS", "365", "Days for which audit entries are kept, 1 to 3650.", DAYS),
    Setting(
        "DELETED_KEPT_DAYS",
        "30",
        "Days for which a deleted device can be restored, 1 to 3650; then it is purged.",
        DAYS,
    ),
    Setting("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.", _log_level),
    Setting("DEMO", "0", "1 offers the simulated UEM; `make demo` sets it.", _switch),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may differ between two installations. Secrets stay out of `repr`."""

    data_dir: Path
    bind: tuple[str, int] = ("127.0.0.1", 8000)
    database_url: str = field(default="", repr=False)
    queue_url: str = ""
    secret_key: str = field(default="", repr=False)
    vault_keys: tuple[str, ...] = field(default=(), repr=False)
    trusted_proxies: int = 0
    public_url: str = ""
    fetchers: int = 4
    calls_per_minute: int = 1000
    apps_quota_percent: int = 20
    outbound_allow: tuple[Network, ...] = ()
    outbound_deny: tuple[Network, ...] = ()
    runs_kept_days: int = 90
    history_kept_days: int = 365
    events_kept_days: int = 365
    audit_kept_days: int = 365
    deleted_kept_days: int = 30
    log_level: str = "INFO"
    demo: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `HARMONY_*`. Raises SettingsError on an unknown name or a malformed value."""
        _refuse_unknown(environ)
        return cls(**{setting.name.lower(): _read(setting, environ) for setting in SETTINGS})

    @property
    def database_file(self) -> Path | None:
        """The file of the SQLite database; None when it is PostgreSQL."""
        if self.database_url.startswith(POSTGRESQL):
            return None
        return _file(self.database_url) or self.data_dir / "harmony.db"

    @property
    def database_address(self) -> str:
        """The database as a URL, password included."""
        return f"{SQLITE}{self.database_file}" if self.database_file else self.database_url

    @property
    def queue_file(self) -> Path:
        return _file(self.queue_url) or self.data_dir / "queue.db"


def _file(url: str) -> Path | None:
    return Path(url.removeprefix(SQLITE)).resolve() if url else None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {PREFIX + s.name for s in SETTINGS} | {PREFIX + s.name + "_FILE" for s in SETTINGS if s.secret}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            raise SettingsError(f"{name} is not a setting of Harmony; the README lists those that are.")


def _read(setting: Setting, environ: Mapping[str, str]) -> Any:
    name = PREFIX + setting.name
    text = environ.get(name, setting.default)
    if setting.secret and (path := environ.get(name + "_FILE")):
        text = _secret_from_file(name, text, path)
    try:
        return setting.parse(text.strip())
    except ValueError as wrong:
        raise SettingsError(f"{name} must be {wrong}.") from None


def _secret_from_file(name: str, text: str, path: str) -> str:
    if text:
        raise SettingsError(f"Set {name} or {name}_FILE, not both.")
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name}_FILE names a file that cannot be read.") from None
