"""The rules for the people: edits, decisions, pauses, restored devices and restored databases."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from harmony.db import db, release
from harmony.models import JobRun
from harmony.ops.restore import mark_restored
from harmony.sync import lifecycle
from harmony.sync.deletion import holds, soft_delete
from tests.builders import a_choice, an_integration
from tests.invariants import what_is_known
from tests.stored import list_digest
from tests.sync.model.oracle import Oracle
from tests.sync.model.run_evidence import imported
from tests.sync.model.stage import Stage, in_force, integration, save, stored
from tests.sync.model.uem import World

PICK = st.integers(0, 11)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SCOPES = [
    ["570"], ["570"], ["570", "571"], ["570", "600"], ["571"], ["571", "572"], ["570", "572", "600"], ["600"],
    ["smart:8@570"], ["570", "smart:8@570"], ["571", "smart:8@570"], ["600", "smart:9@600", "smart:8@570"],
]  # fmt: skip
EDITS: dict[str, list[Any]] = {
    "groups": [a_choice(*groups).groups for groups in SCOPES],
    "deletion_after": [1, 2, 3],
    "deletion_threshold": [0, 20, 50, 100],
    "import_name": [True, False],
    "import_number": [True, False],
    "import_email": [True, False],
}


@dataclass
class Backup:
    """What was at that time."""

    file: Path
    oracle: Oracle
    runs: int


class People(RuleBasedStateMachine):
    """One integration and those who look after it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage, self.world, self.oracle = stage, World(), Oracle()
        self.backup: Backup | None = None
        self.seen_list: tuple[int, str, frozenset[int]] | None = None
        self.dead = False
        self.later: str | None = None
        stage.begin()
        self.id = an_integration(a_choice("570", deletion_after=2, deletion_threshold=50))
        self.before = what_is_known()

    @property
    def active(self) -> bool:
        return integration(self.id).state == "active"

    def an_edit_counts_from_the_next_run_on(self) -> None:
        self.oracle.suspect, self.later = self.oracle.suspect or self.later, None

    @rule(edits=st.dictionaries(st.sampled_from(sorted(EDITS)), PICK, min_size=1, max_size=3))
    def edit_the_page(self, edits: dict[str, int]) -> None:
        """Choices, numbers and toggles of the Synchronization page."""
        self.edit(**{name: EDITS[name][pick % len(EDITS[name])] for name, pick in edits.items()})
        self.an_edit_counts_from_the_next_run_on()

    def edit(self, **changes: Any) -> None:
        old = in_force(self.id)
        save(self.id, msgspec.structs.replace(old, **changes), self.stage.now)
        for one in self.oracle.known.values():
            one.row = imported(one.row, in_force(self.id))
        scope = [
            {(group.kind, group.external_id) for group in one.groups} for one in (old, in_force(self.id))
        ]
        if scope[0] != scope[1]:
            self.later = "edited"

    @rule()
    def pause_or_resume(self) -> None:
        (lifecycle.pause if self.active else lifecycle.resume)(self.id, "kim", self.stage.now)

    @rule(span=st.sampled_from([MINUTE, HOUR, 25 * HOUR]))
    def wait(self, span: timedelta) -> None:
        self.stage.wait(span)

    @precondition(lambda self: self.oracle.hold)
    @rule()
    def look(self) -> None:
        """Somebody opens the page with the list."""
        hold = holds.pending(db.session(), self.id)
        assert hold is not None
        self.seen_list = (hold.id, list_digest(hold), self.list())
        release()

    def list(self) -> frozenset[int]:
        """The row ids of the list that waits."""
        assert self.oracle.hold
        rows = stored(self.id)
        missing = self.oracle.missing(self.oracle.hold[1])
        return frozenset(rows[udid][0].id for udid, one in self.oracle.known.items() if one in missing)

    @precondition(lambda self: self.oracle.hold and self.oracle.hold[0] is None)
    @rule(afresh=st.booleans(), wrong=st.sampled_from([0, 0, 0, 1]))
    def approve(self, afresh: bool, wrong: int) -> None:
        hold_id, digest, listed = self.shown(afresh)
        now, hold = self.stage.now, self.oracle.hold
        assert hold
        if hold_id != self.hold_id():
            refused: type[Exception] = holds.NotOpen
        elif listed != self.list():
            refused = holds.ListChanged
        elif wrong:
            refused = holds.WrongNumber
        else:
            holds.approve(hold_id, digest, len(listed), "kim", now)
            self.oracle.hold = ("kim", hold[1], now + timedelta(hours=24))
            return
        with pytest.raises(refused):
            holds.approve(hold_id, digest, len(listed) + wrong, "kim", now)

    @precondition(lambda self: self.oracle.hold)
    @rule(afresh=st.booleans())
    def dismiss(self, afresh: bool) -> None:
        hold_id, digest, listed = self.shown(afresh)
        if hold_id != self.hold_id() or listed != self.list():
            with pytest.raises((holds.NotOpen, holds.ListChanged)):
                holds.dismiss(hold_id, digest, "kim", self.stage.now)
            return
        assert holds.dismiss(hold_id, digest, "kim", self.stage.now) == len(listed)
        assert self.oracle.hold
        for one in self.oracle.missing(self.oracle.hold[1]):
            one.absent, one.why = None, ""
        self.oracle.hold = None

    def shown(self, afresh: bool) -> tuple[int, str, frozenset[int]]:
        """The list as somebody saw it, now or a while ago."""
        if afresh or self.seen_list is None:
            self.look()
        assert self.seen_list
        return self.seen_list

    def hold_id(self) -> int:
        hold = holds.pending(db.session(), self.id)
        assert hold is not None
        return hold.id

    @precondition(lambda self: any(one.deleted for one in self.oracle.known.values()))
    @rule(pick=PICK)
    def restore_device(self, pick: int) -> None:
        gone = sorted(udid for udid, one in self.oracle.known.items() if one.deleted)
        if gone:
            udid = gone[pick % len(gone)]
            assert soft_delete.restore(stored(self.id)[udid][0].id, "kim", self.stage.now)
            one = self.oracle.known[udid]
            one.deleted = one.by = one.absent = None
            one.why = ""

    @precondition(lambda self: any(one.deleted for one in self.oracle.known.values()))
    @rule()
    def purge(self) -> None:
        self.stage.wait(timedelta(days=20))
        oldest = self.stage.now - timedelta(days=30)
        soft_delete.purge(self.stage.now, 30)
        known = self.oracle.known
        self.oracle.known = {
            udid: one for udid, one in known.items() if not one.deleted or one.deleted >= oldest
        }

    @precondition(lambda self: not self.dead and self.oracle.known and not self.backup)
    @rule()
    def back_up(self) -> None:
        self.stage.leave()
        runs = db.session.query(JobRun).count()
        self.backup = Backup(self.stage.copy(), deepcopy(self.oracle), runs)

    @precondition(lambda self: self.backup and self.oracle.snapshots > self.backup.oracle.snapshots)
    @rule(marked=st.booleans())
    def put_back(self, marked: bool) -> None:
        """An old database is back, by the command that marks it or by a plain copy."""
        assert self.backup
        ran = db.session.query(JobRun).count() > self.backup.runs
        self.stage.put(self.backup.file)
        self.oracle, self.dead, self.seen_list = deepcopy(self.backup.oracle), False, None
        if marked:
            mark_restored(self.stage.now)
        if marked or ran:
            self.oracle.suspect = "restored"
        self.backup, self.before = None, what_is_known()
