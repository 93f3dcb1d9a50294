"""A preview says what the sync after it then does (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from harmony.clock import now
from harmony.db import release
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import JobRun
from harmony.models.configuration import Synchronization
from harmony.sync import job as sync_job
from harmony.sync import preview
from harmony.sync.deletion import holds
from harmony.sync.preview import Preview
from tests.builders import FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")

COUNTED = ("added", "updated", "unchanged", "reappeared", "restored", "missing", "skipped")
Listed = dict[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Case:
    """The UEM's groups at each sync, the last of which is previewed; `says` is what that must come to."""

    syncs: tuple[Listed, ...]
    says: dict[str, Any]
    after: int = 1
    threshold: int = 100
    groups: tuple[str, ...] = ("570", "571")


def a_uem(listed: Listed) -> FakeUem:
    return FakeUem({group: devices(*numbers, group_id=group) for group, numbers in listed.items()})


def sync(integration_id: int, listed: Listed) -> JobRun:
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: a_uem(listed))
    release()
    return last_sync()


def agrees(looked: Preview, done: JobRun) -> None:
    """Whether the run did what the preview had said, for the reasons it had said."""
    assert {name: getattr(looked, name) for name in COUNTED} == {name: done.count(name) for name in COUNTED}
    assert done.count("deleted") == looked.approved + (0 if looked.held else looked.deleted)
    assert (done.state == "held") == bool(looked.held)
    assert all(reason in done.reason for reason in looked.held)


TEN = range(10)
WAITS = "An earlier sync held deletions back; none is done until somebody has decided."
CASES = {
    "the first one": Case(({"570": TEN},), {"added": 10}),
    "within the threshold": Case(({"570": TEN}, {"570": range(2, 10)}), {"missing": 2, "deleted": 2}, 1, 20),
    "over it": Case(({"570": TEN}, {"570": range(3, 10)}), {"deleted": 3}, 1, 20),
    "those that come count for the threshold": Case(
        ({"570": TEN}, {"570": range(3, 15)}), {"added": 5, "deleted": 3, "held": ()}, 1, 20
    ),
    "a group lists none for the first time": Case(
        ({"570": TEN, "571": (90,)}, {"570": TEN}),
        {"deleted": 1, "held": ("There were devices in Group 571; none is listed there any more.",)},
    ),
    "a group lists none, and some are not due yet": Case(
        ({"570": TEN, "571": (90,)}, {"570": TEN}), {"missing": 1, "deleted": 0, "held": ()}, after=2
    ),
    "those for whom it was doubted are back": Case(
        ({"570": TEN, "571": (90,)}, {"570": TEN}, {"570": range(1, 10), "571": (90,)}),
        {"reappeared": 1, "deleted": 1, "held": (WAITS,)},
    ),
    "a deleted one comes back": Case(
        ({"570": TEN}, {"570": range(1, 10)}, {"570": range(10)}), {"restored": 1}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_sync_after_it_does_what_it_said(case: Case) -> None:
    choice = a_choice(*case.groups, deletion_after=case.after, deletion_threshold=case.threshold)
    id_ = an_integration(choice)
    for listed in case.syncs[:-1]:
        sync(id_, listed)
    looked = preview.look(id_, choice, a_uem(case.syncs[-1]))
    assert {name: getattr(looked, name) for name in case.says} == case.says
    agrees(looked, sync(id_, case.syncs[-1]))


def approved(choice: Synchronization) -> int:
    """An integration of ten devices of which three are gone, and somebody agreed that they go."""
    id_ = an_integration(choice)
    sync(id_, {"570": TEN})
    sync(id_, {"570": range(3, 10)})
    hold = holds.open_hold(id_)
    assert hold is not None
    holds.approve(hold.id, hold.digest, 3, "kim", now())
    return id_


def test_what_was_approved_goes_and_is_not_asked_about_again() -> None:
    choice = a_choice(deletion_after=1, deletion_threshold=20)
    id_ = approved(choice)
    looked = preview.look(id_, choice, a_uem({"570": range(2, 10)}))
    assert (looked.approved, looked.deleted, looked.held) == (2, 0, ())
    agrees(looked, sync(id_, {"570": range(2, 10)}))


def test_what_was_approved_goes_though_more_is_held() -> None:
    choice = a_choice(deletion_after=1, deletion_threshold=20)
    id_ = approved(choice)
    looked = preview.look(id_, choice, a_uem({"570": range(6, 10)}))
    assert (looked.approved, looked.deleted) == (3, 3)
    assert looked.held == ("3 of 7 devices would go; the deletion threshold is 20 %.",)
    done = sync(id_, {"570": range(6, 10)})
    agrees(looked, done)
    assert done.reason.startswith("Deletions wait for you; only those that had been approved were made.")
