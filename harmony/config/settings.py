"""Settings: the only reader of the environment, typed, refusing what it does not understand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmony.config.supplied import EXPORTED
from harmony.config.table import SETTINGS, Setting
from harmony.config.values import POSTGRESQL, SQLITE, Network, trimmed

PREFIX = "HARMONY_"
_KNOWN = {PREFIX + s.name for s in SETTINGS} | {PREFIX + s.name + "_FILE" for s in SETTINGS if s.secret}
# The variables that Kubernetes and container links set for a service whose name begins with `harmony`.
# `NAME_SERVICE_PORT_HTTP` has the port's name, `NAME_PORT_8000_TCP_ADDR` its number and protocol.
_SERVICE_HOST = re.compile(r"\w+_SERVICE_HOST")
_SERVICE_NUMBER = re.compile(r"\w+_SERVICE_PORT(_\w+)?")
_SERVICE_ADDRESS = re.compile(r"\w+_PORT(_\d+_(TCP|UDP|SCTP))?")
_SERVICE_PART = re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://\S+:\d+", re.IGNORECASE)


class SettingsError(Exception):
    """One sentence for the person who starts the program: which setting is wrong and what it should be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may differ between two installations. Secrets stay out of `repr`."""

    data_dir: Path
    node: str = ""
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
    uem_events_quota_percent: int = 20
    outbound_allow: tuple[Network, ...] = ()
    outbound_deny: tuple[Network, ...] = ()
    runs_kept_days: int = 90
    history_kept_days: int = 365
    events_kept_days: int = 365
    audit_kept_days: int = 365
    messages_kept_days: int = 90
    deleted_kept_days: int = 30
    backup_hours: int = 24
    backups_kept: int = 7
    backup_dir: Path | None = None
    backup_passphrase: str = field(default="", repr=False)
    silent_devices_percent: int = 20
    session_idle_minutes: int = 30
    session_hours: int = 12
    metrics_token: str = field(default="", repr=False)
    log_level: str = "INFO"
    log_format: str = "text"
    demo: bool = False
    ignored: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `HARMONY_*`; an empty value counts as none, `ignored` names what Kubernetes has set.

        Raises SettingsError on an unknown name or a malformed value.
        """
        given = {
            name: text for name in environ if name.startswith(PREFIX) and (text := trimmed(environ[name]))
        }
        ignored = {name for name in given.keys() - _KNOWN if _is_of_kubernetes(name, given[name])}
        unknown = sorted(name for name in given.keys() - _KNOWN - ignored if not EXPORTED.fullmatch(name))
        if unknown:
            raise SettingsError(f"{unknown[0]} is not a setting of Harmony; see docs/running.md.")
        values = {setting.name.lower(): _read(setting, given) for setting in SETTINGS}
        return cls(**values, ignored=tuple(sorted(ignored)))

    @property
    def database_file(self) -> Path | None:
        """The file of the SQLite database; None when it is PostgreSQL."""
        if self.database_url.startswith(POSTGRESQL):
            return None
        return _file(self.database_url) or self.data_dir / "harmony.db"

    @property
    def has_shared_queue(self) -> bool:
        """True where the queue is in the PostgreSQL database, for every machine."""
        return self.database_file is None and not self.queue_url

    @property
    def queue_file(self) -> Path:
        return _file(self.queue_url) or self.data_dir / "queue.db"


def _file(url: str) -> Path | None:
    return Path(url.removeprefix(SQLITE)).resolve() if url else None


def _read(setting: Setting, given: Mapping[str, str]) -> Any:
    name = PREFIX + setting.name
    text = given.get(name, setting.default)
    if setting.secret and (path := given.get(name + "_FILE")):
        text = _secret_from_file(name, text, path)
    try:
        return setting.parse(text)
    except ValueError as wrong:
        raise SettingsError(f"{name} must be {wrong}.") from None


def _secret_from_file(name: str, text: str, path: str) -> str:
    if text:
        raise SettingsError(f"Set {name} or {name}_FILE, not both.")
    try:
        secret = trimmed(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name}_FILE names a file that cannot be read.") from None
    if not secret:
        # As unset it would be replaced by a generated one, which opens nothing.
        raise SettingsError(f"{name}_FILE names an empty file.")
    return secret


def _is_of_kubernetes(name: str, value: str) -> bool:
    """Tell whether Kubernetes or a container link sets the variable, by its name and its value.

    >>> _is_of_kubernetes("HARMONY_WEB_PORT", "tcp://10.0.0.7:80"), _is_of_kubernetes("HARMONY_PORT", "8000")
    (True, False)
    """
    if _SERVICE_ADDRESS.fullmatch(name) and _SERVICE_URL.fullmatch(value):
        return True
    if _SERVICE_NUMBER.fullmatch(name) and value.isascii() and value.isdigit():
        return True
    return bool(_SERVICE_HOST.fullmatch(name) or _SERVICE_PART.fullmatch(name))
