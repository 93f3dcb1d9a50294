"""Settings: the only reader of the environment, typed, refusing what it does not understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmony.config.table import SETTINGS, Setting
from harmony.config.values import POSTGRESQL, SQLITE, Network

PREFIX = "HARMONY_"


class SettingsError(Exception):
    """One sentence for the person who starts the program: which setting is wrong and what it should be."""


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
