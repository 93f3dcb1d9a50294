"""The answers of the public API: records, from which the OpenAPI document is made.

What a record does not know is null, and never left out.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from harmony.jobs.kinds import JobKind
from harmony.models import (
    Action,
    DeviceStatus,
    HoldState,
    IntegrationState,
    Profile,
    Role,
    Severity,
    SyncKind,
    SyncRunState,
    Verb,
)

_RiskWord = Literal["none", "low", "medium", "high"]
_AssessedRisk = Annotated[
    Literal["not_assessed", "none", "low", "medium", "high"],
    Meta(description="`not_assessed`, which is not `none`, while no Protect app looks at the device."),
]
_HIDDEN = "Null for a key that does not see personal data."
_Personal = Annotated[str | None, Meta(description=_HIDDEN)]


class DeviceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A device: what the UEM says of it, its status and its risk."""

    id: int
    integration_id: int
    name: _Personal
    user_name: _Personal
    email: _Personal
    phone: _Personal
    platform: str
    model: str
    os_version: str
    serial: str
    udid: str
    group: str
    status: DeviceStatus
    risk: _AssessedRisk
    last_seen_at: Annotated[datetime | None, Meta(description="Its last contact with the UEM.")]
    missing_since: Annotated[datetime | None, Meta(description="Set while full syncs do not list it.")]
    deleted_at: Annotated[datetime | None, Meta(description="Set while it can be restored.")]


class FindingItem(msgspec.Struct, frozen=True, kw_only=True):
    """A threat factor on a device, open until `closed_at`."""

    id: int
    device_id: int
    integration_id: int
    device: _Personal
    code: str
    name: str
    vector: str
    subject: Annotated[str, Meta(description="The app, network or address meant.")]
    profile: Annotated[Profile | None, Meta(description="Null for what the dashboard concludes.")]
    risk: _RiskWord
    opened_at: datetime
    closed_at: datetime | None


class EventItem(msgspec.Struct, frozen=True, kw_only=True):
    """A line of Events."""

    id: int
    at: datetime
    severity: Severity
    event: Verb
    vector: str
    factor: str
    detail: str
    device_id: int | None
    device: _Personal
    integration_id: int | None
    integration: str | None


class AppItem(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an app, and on how many devices it is."""

    id: int
    name: str
    identifier: str
    version: str
    platform: Literal["ios", "android"]
    devices: int
    exception: Annotated[Action | None, Meta(description="The decision of an administrator on the app.")]


class IntegrationItem(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to a UEM, and how its syncs are."""

    id: int
    name: str
    state: IntegrationState
    condition: Annotated[
        str, Meta(description="The state; `stopped` or `quarantined` of an active one in trouble.")
    ]
    reason: Annotated[str | None, Meta(description="Why it is stopped.")]
    created_at: datetime
    fresh_as_of: Annotated[datetime | None, Meta(description="When the newest read of everything began.")]
    next_sync_at: datetime | None
    failures: Annotated[int, Meta(description="Failed syncs in a row.")]
    devices: int


class RunItem(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a job, and how it ended. The counts beside `counts` are those of a device sync."""

    id: int
    integration_id: int
    job: JobKind
    kind: Annotated[SyncKind | None, Meta(description="What a device sync reads; null for other jobs.")]
    state: SyncRunState
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    devices_read: int
    added: int
    updated: int
    unchanged: int
    missing: int
    reappeared: int
    deleted: int
    restored: int
    skipped: int
    counts: Annotated[dict[str, int], Meta(description="By the names of its job; zero is left out.")]
    reason: str
    advice: str


class HoldItem(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion that waits, or waited, for a person."""

    id: int
    integration_id: int
    run_id: int | None
    state: HoldState
    created_at: datetime
    devices: Annotated[int, Meta(description="Devices on the list when the hold was last looked at.")]
    live: Annotated[int, Meta(description="Devices of the integration then.")]
    reasons: list[str]
    decided_by: str | None
    decided_at: datetime | None
    expires_at: datetime | None


class FactorRisk(msgspec.Struct, frozen=True, kw_only=True):
    """The risk that the policy gives a threat factor."""

    code: str
    name: str
    vector: str
    risk: _RiskWord
    ends_on: Annotated[date | None, Meta(description="The last day of a risk that was changed.")]


class PolicyItem(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force; version 0 are the defaults."""

    version: int
    inactive_days: int
    silent_days: int
    silent_risk: _RiskWord
    minimum_os: dict[str, str]
    minimum_client: dict[str, str]
    factors: list[FactorRisk]


class TagItem(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that Harmony manages in a UEM, and on how many devices."""

    integration_id: int
    key: str
    name: str
    wanted: int
    present: int
    pending: int
    failed: int
    problem: str


class UserItem(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may sign in."""

    id: int
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


class Posture(msgspec.Struct, frozen=True, kw_only=True):
    """The posture of a device: one answer for a gateway."""

    device_id: int
    status: DeviceStatus
    risk: _AssessedRisk
    assessed: bool
    compliant: Annotated[
        bool, Meta(description="Active, assessed, and its risk is no higher than `accept` says.")
    ]
    last_contact_at: Annotated[datetime | None, Meta(description="Of its Protect app.")]
    matches: Annotated[int, Meta(description="Devices with this identifier; the answer is the worst.")]
