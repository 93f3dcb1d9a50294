"""History of devices and audit of people's actions, written inside the caller's `write()`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from harmony.db import table_of
from harmony.models import AuditEntry, DeviceEvent, Happening, Integration

# The actors of what runs by itself, and of what was typed at the machine itself.
SCHEDULE = "schedule"
COMMAND_LINE = "command line"

# The fields of the wizard's pages as their labels call them; any other is called by its own name.
LABELS = {
    "use_oauth2": "Use OAuth2",
    "client_id": "Client ID",
    "api_key": "API Key",
    "self_signed": "Self-signed certificate",
    "groups": "Group(s)",
    "import_name": "Device name",
    "import_number": "Device number",
    "import_email": "Device email",
    "device_interval": "Device sync interval",
    "deletion_threshold": "Device deletion threshold",
    "deletion_after": "Device deletion after",
    "app_interval": "App sync interval",
    "delta": "Refresh between full syncs",
    "tag_status": "Tag device status",
    "tag_risk": "Tag device risk",
    "tag_factors": "Tag device TF",
    "tag_no_risk": "Tag No Risk",
    "names": "Names of tags",
    "adopted": "Adopted tags",
    "auto_addition": "Auto device addition",
    "token": "Token",
}


def record_history(
    session: Session,
    to: Iterable[tuple[int, str]],
    kind: Happening,
    at: datetime,
    run_id: int | None = None,
) -> None:
    """Add a line to the history of each device; `to` is (device id, detail without personal data)."""
    rows = [
        {"device_id": id_, "run_id": run_id, "at": at, "kind": kind.value, "detail": detail[:1024]}
        for id_, detail in to
    ]
    if rows:
        session.execute(insert(table_of(DeviceEvent)), rows)


def audit(
    session: Session,
    who: str,
    what: str,
    at: datetime,
    integration: Integration | None = None,
    *,
    detail: str = "",
) -> None:
    """Record who did what, in words a page can show: `audit(session, "kim", "Paused", now, integration)`."""
    session.add(
        AuditEntry(
            at=at,
            who=who,
            what=what,
            integration_id=integration.id if integration else None,
            integration_name=integration.name if integration else "",
            detail=detail[:1024],
        )
    )


def changed_fields(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Return the labels of the fields that differ between two rows of a wizard page.

    `old` and `new` are the JSON objects of `SetupPage`, `old` None for a page never in force before. Values
    are never shown, except on and off of a switch.

    >>> changed_fields({"client_id": "a", "import_name": True}, {"client_id": "b", "import_name": False})
    'Client ID, Device name switched off'
    """
    before = old or {}
    return ", ".join(_change(name, new[name]) for name in new if before.get(name) != new[name])


def _change(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{_label(name)} switched {'on' if value else 'off'}"
    return _label(name)


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").title())
