"""PURE: the facts that the explanation of a device is made of, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from harmony.models.configuration import Synchronization, Tagging
from harmony.models.states import Action, Risk
from harmony.protection.change import OpenFinding
from harmony.protection.evaluate import ProtectionFacts, Rules
from harmony.web.why.records import ExplainedApp

DEFAULTS = 0


class SavedVersion(NamedTuple):
    """A saved version of the policy."""

    version: int
    at: datetime
    by: str


class AppRuling(NamedTuple):
    """The app exception in force for an app, until `ends_on`; `applied`: it has reached every device."""

    action: Action
    by: str
    at: datetime
    reason: str
    ends_on: date | None
    applied: bool


class ProtectionGiven(NamedTuple):
    """The stored facts that the chain is made of.

    `facts` is None for a device that never registered; `findings` are in their order. `opened_at` are the
    times of findings by id, `versions` all of the policy, newest first; `reached`: the newest has rated the
    device. `risk` is None while the device is not assessed. `since` is when its event says that the status
    became what it is, None if no event says so.
    """

    apps: tuple[ExplainedApp, ...]
    facts: ProtectionFacts | None
    findings: Sequence[OpenFinding]
    opened_at: Mapping[int, datetime]
    rules: Rules
    rulings: Mapping[str, AppRuling]
    versions: Sequence[SavedVersion]
    reached: bool
    risk: Risk | None
    since: datetime | None
    last_contact_at: datetime | None
    events_kept_days: int

    @property
    def version(self) -> int:
        """Return the number of the version in force."""
        return self.versions[0].version if self.versions else DEFAULTS

    @property
    def policy(self) -> str:
        """Name the version in force."""
        return f"version {self.version} of the policy" if self.version else "the default policy"


class StoredTag(NamedTuple):
    """A tag of the device as its outbox has it; `read_at`: when it was last read who carries the tag."""

    key: str
    name: str
    wanted: bool
    present: bool
    state: str
    attempts: int
    changed_at: datetime
    reason: str
    next_try_at: datetime | None
    read_at: datetime | None
    problem: str


class TagsGiven(NamedTuple):
    """The facts that decide about the tags of the device.

    `keys` are those that its state calls for; `obstacle` says why nothing is pushed, "" while it is.
    """

    tagging: Tagging
    keys: frozenset[str]
    stored: tuple[StoredTag, ...]
    obstacle: str
    last_push_at: datetime | None
    next_push_at: datetime | None


class EndedSync(NamedTuple):
    """A complete device sync; `reason` says what it came to, in words."""

    run_id: int
    finished_at: datetime | None
    state: str
    reason: str


class HeldBack(NamedTuple):
    """A hold that the device is on the list of, undecided or approved."""

    hold_id: int
    state: str
    reasons: tuple[str, ...]
    expires_at: datetime | None


class AbsenceGiven(NamedTuple):
    """The facts that decide about a device that is missing, deleted, or that no sync has listed yet.

    `snapshots` counts the complete syncs of the integration, `absent_from` is the number of the first that
    did not list the device; `syncs` are those that are still kept since then, newest first, `more` is how
    many of them are not given. `standstill` says why no sync runs, "" while they do.
    """

    missing_since: datetime | None
    absent_from: int | None
    absent_why: str
    deleted_at: datetime | None
    deleted_by: str
    created_at: datetime
    is_unlisted: bool
    snapshots: int
    fresh_as_of: datetime | None
    settings: Synchronization
    unlisted_days: int
    syncs: tuple[EndedSync, ...]
    more: int
    hold: HeldBack | None
    standstill: str
    next_sync_at: datetime | None
    runs_kept_days: int
    deleted_kept_days: int
