"""The values of each wizard page: frozen records, stored as JSON in `SetupPage`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

# The names of the wizard's pages, in their order (facts/harmony-mobile.md §1.1).
SERVER = "server"
SYNCHRONIZATION = "synchronization"
TAGGING = "tagging"
DEPLOYMENT = "deployment"
# Verify of the server that is in force, from the integration's own page.
IN_FORCE = "in_force"
# A preview of a sync, from the same page.
PREVIEW = "preview"


class ServerDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Page 1. `client_secret`, `password` and `api_key` are sealed; "" means none is stored.

    `connector` is the name of the Connector that the server is called through; "" is none.
    """

    display_name: str = ""
    server_address: str = ""
    use_oauth2: bool = True
    token_address: str = ""
    client_id: str = ""
    client_secret: str = ""
    username: str = ""
    password: str = ""
    api_key: str = ""
    self_signed: bool = False
    certificate: str = ""
    connector: str = ""


class ChosenGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of the UEM that is synchronized; `kind` as in `uem.records.GroupKind`."""

    kind: str
    external_id: str
    name: str
    organization_group_id: str | None = None
    android_enterprise: bool = False


class Synchronization(msgspec.Struct, frozen=True, kw_only=True):
    """Page 2. Intervals in minutes, threshold in percent, `deletion_after` in sync tries."""

    groups: tuple[ChosenGroup, ...] = ()
    import_name: bool = True
    import_number: bool = True
    import_email: bool = True
    device_interval: int = 60
    deletion_threshold: int = 20
    deletion_after: int = 3
    app_interval: int = 1440
    delta: bool = True


class Tagging(msgspec.Struct, frozen=True, kw_only=True):
    """Page 3: which parts of the protection state become tags in the UEM, and how those are called.

    `prefix` begins every name; `names` maps the key of a tag (`status:active`) to a name of its own.
    `adopted` are the names that stood in the UEM before, and that an administrator let us use.
    """

    tag_status: bool = True
    tag_risk: bool = True
    tag_factors: bool = True
    tag_no_risk: bool = False
    prefix: str = "CHKP_"
    names: dict[str, str] = {}
    adopted: tuple[str, ...] = ()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Page 4. `token` is sealed, and so is `former_token`, which registers devices until `former_until`.

    A device that registered before any sync has listed it expires after `unlisted_days`; 0 is never.
    `app_keys` maps a key of the app configuration to a name of its own, `app_id` is the bundle or package of
    the Protect app, and `app_ca` the PEM of the authority that the app is to trust, "" for none of its own.
    Registration messages go to devices that are created after `email_since` or `sms_since`, None while that
    channel is off, in `language`; their codes are good for `code_days`.
    """

    auto_addition: bool = False
    token: str = ""
    former_token: str = ""
    former_until: datetime | None = None
    unlisted_days: int = 14
    app_keys: dict[str, str] = {}
    app_id: str = ""
    app_ca: str = ""
    email_since: datetime | None = None
    sms_since: datetime | None = None
    language: str = "en"
    code_days: int = 7


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The records of all pages, each with its defaults where nothing was saved."""

    server: ServerDetails = ServerDetails()
    synchronization: Synchronization = Synchronization()
    tagging: Tagging = Tagging()
    deployment: Deployment = Deployment()


PAGES: dict[str, type[msgspec.Struct]] = {
    SERVER: ServerDetails,
    SYNCHRONIZATION: Synchronization,
    TAGGING: Tagging,
    DEPLOYMENT: Deployment,
}

_Record = TypeVar("_Record", bound=msgspec.Struct)


def to_row(record: msgspec.Struct) -> dict[str, Any]:
    """Return the JSON object that is stored for `record`, as it comes back: with lists for tuples."""
    row: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return row


def from_row(kind: type[_Record], row: dict[str, Any] | None) -> _Record:
    """Return the record stored as `row`; its defaults when there is none. Unknown keys are ignored."""
    return msgspec.convert(row or {}, kind)
