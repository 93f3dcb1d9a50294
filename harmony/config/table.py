"""The settings: one row each, as the table in docs/running.md has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harmony.config.values import (
    between,
    bind,
    database_url,
    directory,
    keys,
    log_format,
    log_level,
    networks,
    node_name,
    optional_directory,
    passphrase,
    public_url,
    secret,
    sqlite_url,
    switch,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the name without its prefix, the default as written, the meaning."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    secret: bool = False


_DAYS = between(1, 3650)
SETTINGS = (
    Setting(
        "DATA_DIR", "instance", "The folder of the database, the queue and the generated keys.", directory
    ),
    Setting("NODE", "", "The name of this machine on the page *Nodes*; empty: its host name.", node_name),
    Setting("BIND", "127.0.0.1:8000", "The address and port the dashboard listens on.", bind),
    Setting(
        "DATABASE_URL",
        "",
        "A SQLite file elsewhere than in the data folder, or `postgresql://user:password@host/name`.",
        database_url,
        True,
    ),
    Setting("QUEUE_URL", "", "A SQLite file for the queue elsewhere than in the data folder.", sqlite_url),
    Setting(
        "SECRET_KEY", "", "Signs the queue's messages; made in the data folder when empty.", secret, True
    ),
    Setting(
        "VAULT_KEYS",
        "",
        "Keys of the stored secrets, newest first, commas between; made in the data folder when empty.",
        keys,
        True,
    ),
    Setting(
        "TRUSTED_PROXIES", "0", "How many reverse proxies stand in front and may be believed.", between(0, 9)
    ),
    Setting(
        "PUBLIC_URL",
        "",
        "The address people type, with its path if a proxy serves Harmony below one; other host names are "
        "then refused.",
        public_url,
    ),
    Setting("FETCHERS", "4", "How many pages of devices are fetched at once, 1 to 16.", between(1, 16)),
    Setting("CALLS_PER_MINUTE", "1000", "The most calls a minute to one UEM, 1 to 4999.", between(1, 4999)),
    Setting("APPS_QUOTA_PERCENT", "20", "Percent of a day's calls for reading apps.", between(1, 100)),
    Setting("UEM_EVENTS_QUOTA_PERCENT", "20", "Percent of a day's calls for UEM events.", between(1, 100)),
    Setting("OUTBOUND_ALLOW", "", "The only networks a UEM may be in; empty: all but refused.", networks),
    Setting("OUTBOUND_DENY", "", "Networks a UEM may never be in.", networks),
    Setting(
        "RUNS_KEPT_DAYS",
        "90",
        "Days for which ended runs are kept, 1 to 3650; the newest and the last complete one always are.",
        _DAYS,
    ),
    Setting(
        "HISTORY_KEPT_DAYS", "365", "Days for which the lines of device histories are kept, 1 to 3650.", _DAYS
    ),
    Setting(
        "EVENTS_KEPT_DAYS",
        "365",
        "Days for which events and ended findings are kept, 1 to 3650; on PostgreSQL events go by the month.",
        _DAYS,
    ),
    Setting("AUDIT_KEPT_DAYS", "365", "Days for which audit entries are kept, 1 to 3650.", _DAYS),
    Setting(
        "MESSAGES_KEPT_DAYS",
        "90",
        "Days for which messages that ended are kept, 1 to 3650; those of a device as long as the device.",
        _DAYS,
    ),
    Setting(
        "DELETED_KEPT_DAYS",
        "30",
        "Days for which a deleted device can be restored, 1 to 3650; then it is purged.",
        _DAYS,
    ),
    Setting("BACKUP_HOURS", "24", "Hours between two scheduled backups, 1 to 720; 0: none.", between(0, 720)),
    Setting("BACKUPS_KEPT", "7", "How many scheduled backups are kept, 1 to 1000.", between(1, 1000)),
    Setting(
        "BACKUP_DIR",
        "",
        "The folder of scheduled backups; empty: `backups` in the data folder.",
        optional_directory,
    ),
    Setting(
        "BACKUP_PASSPHRASE",
        "",
        "Seals the keys into a file beside each scheduled backup; empty: keep the keys apart yourself.",
        passphrase,
        True,
    ),
    Setting(
        "SILENT_DEVICES_PERCENT",
        "20",
        "Percent of the registered devices that may be inactive before a notice says so, 1 to 100.",
        between(1, 100),
    ),
    Setting(
        "SESSION_IDLE_MINUTES",
        "30",
        "Minutes without a request after which a person is signed out, 5 to 1440.",
        between(5, 1440),
    ),
    Setting("SESSION_HOURS", "12", "Hours after which a person signs in again, 1 to 168.", between(1, 168)),
    Setting("METRICS_TOKEN", "", "Opens `/metrics` to whoever sends it; empty: nobody.", secret, True),
    Setting("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.", log_level),
    Setting("LOG_FORMAT", "text", "text, or json: one object a line.", log_format),
    Setting("DEMO", "0", "1 offers the simulated UEM; `make demo` sets it.", switch),
)
