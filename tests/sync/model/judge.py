"""Compares what the database holds with the oracle, and says what a run that was cut off may have done."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from harmony.models import SyncKind, SyncRunState
from harmony.models.configuration import Synchronization
from tests.sync.model.oracle import Kept, Oracle
from tests.sync.model.run_evidence import Heard, imported
from tests.sync.model.stage import TOLD, Stored, in_force, integration, last_run, pending, stored

if TYPE_CHECKING:
    from tests.sync.model.machine import Machine

CUT_OFF = {SyncRunState.CANCELLED, SyncRunState.RUNNING, SyncRunState.ABORTED}
READ = {SyncRunState.OK, SyncRunState.WARNING}
UNREAD = {SyncRunState.INCOMPLETE, SyncRunState.FAILED, SyncRunState.AUTH_FAILED, SyncRunState.WARNING}


def judge(machine: Machine, heard: Heard, choice: Synchronization, kind: SyncKind, before: Oracle) -> None:
    """Tell the oracle of the run that has just ended, and compare how it ended."""
    oracle, run = machine.oracle, last_run(machine.id)
    heard = oracle.believe(heard)
    complete = heard.complete and kind == SyncKind.SNAPSHOT
    if run.state in CUT_OFF:
        cut_off(machine, heard, choice, complete)
        return
    oracle.listed(heard, complete)
    if complete:
        held = oracle.ended(heard, choice, machine.stage.now)
        assert (run.state == SyncRunState.HELD) == held, f"the oracle says {held}: {run.reason}"
        assert held or run.state in READ, run.reason
        fresh = {udid: one for udid, one in oracle.known.items() if one.deleted == machine.stage.now}
        assert run.count("deleted") == len({*fresh} - {u for u, one in before.known.items() if one.deleted})
    elif kind == SyncKind.SNAPSHOT:
        assert run.state in UNREAD, f"{run.state}, though not everything was read"
        assert (run.count("missing"), run.count("deleted")) == (0, 0)
    if not heard.ended:
        leave_waiting(oracle, before, stored(machine.id))
    if not complete:
        adopt_enrolments(oracle, heard, stored(machine.id))
    assert integration(machine.id).snapshots == oracle.snapshots, run.reason


def leave_waiting(oracle: Oracle, before: Oracle, actual: dict[str, list[Stored]]) -> None:
    """Who has which id changes only once every list was read: until then it may be as it was before."""
    ids = {one.id for one in before.known.values()}
    for udid, one in list(oracle.known.items()):
        old = before.known.get(udid)
        if old is None and udid not in actual and one.id in ids:
            del oracle.known[udid]
        elif old is not None and old.id != one.id and [seen(row) for row in actual[udid]] == [wanted(old)]:
            oracle.known[udid] = deepcopy(old)


def adopt_enrolments(oracle: Oracle, heard: Heard, actual: dict[str, list[Stored]]) -> None:
    """Only a complete snapshot tells which enrolment lives: until then any that was listed will do."""
    for udid, one in oracle.known.items():
        mine = {id_: row for id_, row in heard.rows.items() if row[0].udid.casefold() == udid}
        for found in actual.get(udid, ()):
            if found.uem_id != one.id and found.uem_id in mine:
                one.row, one.groups = mine[found.uem_id]
                one.id = found.uem_id
            elif found.uem_id is None and mine:
                one.id = None
                one.row, one.groups = next(
                    (row for row in mine.values() if told(row[0]) == found.told), (one.row, one.groups)
                )


def cut_off(machine: Machine, heard: Heard, choice: Synchronization, complete: bool) -> None:
    """Whatever it had done until then is done, nothing else is; the oracle goes on from there."""
    was, will = machine.oracle, deepcopy(machine.oracle)
    will.listed(heard, complete)
    if complete:
        will.ended(heard, choice, machine.stage.now)
    now_imported = in_force(machine.id)
    for udid, rows in stored(machine.id).items():
        (found,) = rows
        old, new = was.known.get(udid), will.known.get(udid)
        listed = [(row, groups) for row, groups in heard.rows.values() if row.udid.casefold() == udid]
        may = [*listed, *((one.row, one.groups) for one in (old, new) if one)]
        may = [(imported(row, now_imported), groups) for row, groups in may]
        may.sort(key=lambda one: one[0].external_id != found.uem_id)
        fits = [(row, groups) for row, groups in may if (told(row), groups) == (found.told, found.groups)]
        assert fits, f"{udid} is {found.told}, neither as before nor as listed"
        ids = {None, *(row.external_id for row, _ in listed), *(one.id for one in (old, new) if one)}
        assert found.uem_id in ids, f"{udid} has the id {found.uem_id}"
        here = {None} if listed else set()
        absent = here | {one.absent for one in (old, new) if one}
        assert found.deleted or found.absent in absent, f"{udid} is missing since {found.absent}"
        assert found.deleted in here | {one.deleted for one in (old, new) if one}
        was.known[udid] = Kept(*fits[0], found.uem_id, found.absent, found.why, found.deleted, found.by)
    was.hold = adopt_hold(pending(machine.id), was, will)
    snapshots = integration(machine.id).snapshots
    assert snapshots in {was.snapshots, will.snapshots if complete else was.snapshots}
    was.snapshots = snapshots


def adopt_hold(found: tuple | None, was: Oracle, will: Oracle) -> tuple | None:
    """The hold is as before, as it should have become, or a step between the two."""
    if found is None:
        assert was.hold is None or will.hold is None, "a hold is gone"
    else:
        assert (was.hold and found[1] == was.hold[1]) or (will.hold and found[1] == will.hold[1]), (
            "a new hold"
        )
    return found


def agree(machine: Machine) -> None:
    """The database and the oracle know the same."""
    oracle, actual = machine.oracle, stored(machine.id)
    assert set(actual) == set(oracle.known), "other devices"
    for udid, rows in actual.items():
        assert len(rows) == 1, f"{udid} is there {len(rows)} times"
        is_, should = seen(rows[0]), wanted(oracle.known[udid])
        other = {
            name: f"{is_[name]}, but should be {should[name]}" for name in is_ if is_[name] != should[name]
        }
        assert not other, f"{udid}: {other}"
    hold = pending(machine.id)
    assert (hold and hold[:2]) == (oracle.hold and oracle.hold[:2]), "another hold"


def seen(one: Stored) -> dict[str, object]:
    """What is compared of a stored device."""
    return {
        "id": one.uem_id, "told": one.told, "groups": one.groups, "absent": one.absent,
        "doubted": one.why not in {"", "plain"}, "deleted": one.deleted, "by": one.by,
    }  # fmt: skip


def wanted(one: Kept) -> dict[str, object]:
    """The same of the oracle's."""
    live = not one.deleted
    return {
        "id": one.id, "told": told(one.row), "groups": one.groups, "absent": one.absent if live else None,
        "doubted": live and one.why not in {"", "plain"}, "deleted": one.deleted, "by": one.by,
    }  # fmt: skip


def told(row: object) -> tuple[object, ...]:
    """The fields of a row in the order of `Stored.told`."""
    return tuple(getattr(row, name) for name in (*TOLD, "last_seen"))
