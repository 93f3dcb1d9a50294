"""PURE: every kind of recurring job: its words, how often it is due, what it needs and what it follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from harmony.models.configuration import Synchronization


class JobKind(StrEnum):
    """The name of a kind in tables, in addresses and of its task."""

    DEVICES = "devices"
    APPS = "apps"
    TAGGING = "tagging"
    MESSAGES = "messages"


class FollowsSync(StrEnum):
    """Which device syncs make a job due: none, the first complete one, or each."""

    NEVER = "never"
    FIRST = "first"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Words:
    """The names of a kind on pages and in the audit log, and those of the counts of its runs.

    `done` are the counts that make up its progress, in `unit`; `warn` those that a person should look at.
    """

    title: str
    ask: str
    asked: str
    cancelled: str
    about: str
    counts: Mapping[str, str] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    unit: str = ""
    warn: tuple[str, ...] = ("skipped", "incomplete", "waiting", "failed", "missing")


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of job.

    `interval` is how often it is due when nothing else calls for it, by the settings of the integration;
    nothing plans it further ahead than `longest_ahead` while the clock is right. A kind that `asks_uem` waits
    while the server asked to wait, and while only a person can mend the sign-in; one that `uses_ids` of
    devices and tags also until a device sync has proven those of another UEM. Finish and Resume plan a kind
    that is `first_due_at_finish`; any other begins with the sync that it follows. `opposite_phase` keeps it
    apart from the device sync of the same integration. One that `rests_in_caution` waits after a restore
    until an administrator confirms.
    """

    words: Words
    interval: Callable[[Synchronization], timedelta]
    longest_ahead: timedelta = timedelta(hours=36)
    asks_uem: bool = True
    uses_ids: bool = True
    first_due_at_finish: bool = True
    follows_sync: FollowsSync = FollowsSync.NEVER
    opposite_phase: bool = False
    rests_in_caution: bool = False


KINDS: dict[JobKind, KindSpec] = {
    JobKind.DEVICES: KindSpec(
        Words(
            title="Device sync",
            ask="Sync Now",
            asked="Asked for a sync",
            cancelled="Cancelled the sync",
            about="Reads the devices of the chosen groups: all in a full sync, and in a refresh those that "
            "were in contact with the UEM lately.",
            counts={
                "added": "Added",
                "updated": "Updated",
                "unchanged": "Unchanged",
                "missing": "Missing",
                "reappeared": "Reappeared",
                "deleted": "Deleted",
                "restored": "Restored",
                "skipped": "Skipped",
            },
            done=("devices_read",),
            unit="devices",
        ),
        interval=lambda settings: timedelta(minutes=settings.device_interval),
        uses_ids=False,
        first_due_at_finish=False,
    ),
    JobKind.APPS: KindSpec(
        Words(
            title="App sync",
            ask="Sync apps now",
            asked="Asked for an app sync",
            cancelled="Cancelled the app sync",
            about="Reads the apps of iOS devices that were in contact since theirs were last read. "
            "Android devices send theirs with the check-in.",
            counts={
                "read": "Read",
                "changed": "Changed",
                "skipped": "Skipped",
                "incomplete": "Incomplete",
                "waiting": "Waiting",
            },
            done=("read", "skipped"),
            unit="devices",
        ),
        interval=lambda settings: timedelta(minutes=settings.app_interval),
        follows_sync=FollowsSync.FIRST,
        opposite_phase=True,
    ),
    JobKind.TAGGING: KindSpec(
        Words(
            title="Tagging",
            ask="Push tags now",
            asked="Asked for tagging",
            cancelled="Cancelled the tagging",
            about="Writes status, risk and threat factors of devices into the UEM as tags.",
            counts={
                "added": "Put on",
                "removed": "Taken off",
                "waiting": "Waiting",
                "failed": "Declined",
                "dropped": "Unknown to the UEM",
                "repaired": "Repaired",
                "made": "Tags made",
            },
            done=("added", "removed"),
            unit="tags",
        ),
        interval=lambda settings: timedelta(minutes=settings.device_interval),
        first_due_at_finish=False,
        follows_sync=FollowsSync.EACH,
        rests_in_caution=True,
    ),
    JobKind.MESSAGES: KindSpec(
        Words(
            title="Messages",
            ask="Send messages now",
            asked="Asked for messages to be sent",
            cancelled="Cancelled the sending of messages",
            about="Sends the registration messages that wait for this integration, by mail or SMS. "
            "It runs only while there are some.",
            counts={
                "sent": "Sent",
                "failed": "Failed",
                "cancelled": "Not needed",
                "delayed": "To be tried again",
                "waiting": "Waiting",
            },
            done=("sent",),
            unit="messages",
        ),
        interval=lambda _settings: timedelta(hours=1),
        asks_uem=False,
        uses_ids=False,
        first_due_at_finish=False,
        rests_in_caution=True,
    ),
}


def asking_uem() -> list[JobKind]:
    """Return the kinds that call the UEM."""
    return [kind for kind, spec in KINDS.items() if spec.asks_uem]


def due_at_finish() -> list[JobKind]:
    """Return the kinds that Finish and Resume plan."""
    return [kind for kind, spec in KINDS.items() if spec.first_due_at_finish]


def using_ids() -> list[JobKind]:
    """Return the kinds that call the UEM with ids that a device sync has read."""
    return [kind for kind, spec in KINDS.items() if spec.asks_uem and spec.uses_ids]


def resting_in_caution() -> list[JobKind]:
    """Return the kinds that wait after a restore until an administrator confirms."""
    return [kind for kind, spec in KINDS.items() if spec.rests_in_caution]
