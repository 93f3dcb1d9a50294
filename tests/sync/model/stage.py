"""The real engine on a file of its own for each example, with a clock and a way to die in the middle."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, select

from harmony import clock
from harmony.db import db, release, sqlite_module, write
from harmony.models import Device, Hold, HoldState, Integration, JobRun, Membership
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row, to_row
from harmony.setup import apply
from harmony.setup.drafts import digest
from tests.builders import NOON

WRITES = ("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE")
# Small batches: their borders are met by a dozen devices.
BATCHES = {
    "snapshot.ROWS_PER_WRITE": 3,
    "deletion.missing.SLICE": 3,
    "deletion.missing.ROWS_PER_WRITE": 2,
    "deletion.soft_delete.ROWS_PER_WRITE": 2,
    "deletion.holds.ROWS_PER_WRITE": 2,
    "redaction.ROWS_PER_WRITE": 2,
}


class Died(BaseException):
    """As a `kill -9` would: nothing that the worker still does reaches the database."""


@dataclass
class Stage:
    """`now` is the time everywhere in the engine; a worker dies at its write number `fuse`."""

    folder: Path
    empty: Path
    now: datetime = NOON
    fuse: int | None = None
    died: bool = False
    _copies: int = field(default=0)

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give the engine this clock, small batches and the fuse."""
        told = clock.now
        for name, module in list(sys.modules.items()):
            if name.startswith("harmony.") and getattr(module, "now", None) is told:
                monkeypatch.setattr(module, "now", lambda: self.now)
        for name, size in BATCHES.items():
            monkeypatch.setattr(f"harmony.sync.{name}", size)
        event.listen(db.engine, "before_cursor_execute", self._count)

    def begin(self) -> None:
        """A new example: an empty database, at noon."""
        self.put(self.empty)
        for left in self.folder.glob("newest.*"):
            left.unlink()
        self.now, self.fuse, self.died = NOON, None, False

    def put(self, file: Path) -> None:
        """Replace the database by this one."""
        self.leave()
        for old in self.folder.glob("harmony.db*"):
            old.unlink()
        shutil.copy(file, self.folder / "harmony.db")

    def leave(self) -> None:
        """No connection is open any more."""
        db.session.remove()
        db.engine.dispose()

    def copy(self) -> Path:
        """A backup."""
        self._copies += 1
        file = self.folder / f"backup-{self._copies}"
        file.unlink(missing_ok=True)
        with closing(sqlite_module().connect(self.folder / "harmony.db")) as connection:
            connection.execute("VACUUM INTO ?", (str(file),))
        return file

    def wait(self, span: timedelta) -> None:
        """Time goes by."""
        self.now += span

    def die(self) -> None:
        """The worker is gone."""
        self.died = True
        raise Died

    def _count(self, _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(WRITES):
            return
        if self.fuse is not None:
            self.fuse -= 1
        if self.died or self.fuse == 0:
            self.die()


def integration(id_: int) -> Integration:
    """Its row as it is now."""
    release()
    return db.session.get_one(Integration, id_)


def last_run(id_: int) -> JobRun:
    """The newest run."""
    newest = select(JobRun).where(JobRun.integration_id == id_).order_by(JobRun.id.desc()).limit(1)
    return db.session.scalars(newest).one()


def save(id_: int, choice: Synchronization, now: datetime) -> None:
    """The Synchronization page with these values, verified and saved."""
    with write() as session:
        mine = session.get_one(Integration, id_)
        page, said = mine.page(SYNCHRONIZATION), mine.verification(SYNCHRONIZATION)
        assert page is not None
        assert said is not None
        page.draft = to_row(choice)
        said.digest = digest(page.draft)
    apply.save(id_, SYNCHRONIZATION, "kim", now)


def in_force(id_: int) -> Synchronization:
    """The Synchronization page that is in force."""
    page = integration(id_).page(SYNCHRONIZATION)
    return from_row(Synchronization, page.applied if page else None)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the database holds of a device. Of a deleted one, its absence does not matter."""

    id: int
    uem_id: str | None
    absent: int | None
    why: str
    deleted: datetime | None
    by: str | None
    told: tuple[Any, ...]
    groups: frozenset[tuple[str, str]]


TOLD = ("udid", "name", "phone", "email", "user_name", "os_version", "group_id", "enrolled_at")


def stored(id_: int) -> dict[str, list[Stored]]:
    """The devices by their folded UDID; there should be one for each."""
    release()
    groups: dict[int, set[tuple[str, str]]] = {}
    for one in db.session.execute(select(Membership.device_id, Membership.group_kind, Membership.group_id)):
        groups.setdefault(one[0], set()).add((one[1], one[2]))
    columns = (Device.id, Device.udid_key, Device.external_id, Device.absent_from, Device.absent_why)
    columns += (
        Device.deleted_at,
        Device.deleted_by,
        *(getattr(Device, name) for name in TOLD),
        Device.last_seen_at,
    )
    found: dict[str, list[Stored]] = {}
    for row in db.session.execute(select(*columns).where(Device.integration_id == id_)):
        gone = row[5] is not None
        one = Stored(
            id=row[0], uem_id=row[2], absent=None if gone else row[3], why="" if gone else row[4],
            deleted=row[5], by=row[6], told=tuple(row[7:]), groups=frozenset(groups.get(row[0], ())),
        )  # fmt: skip
        found.setdefault(row[1], []).append(one)
    release()
    return found


def pending(id_: int) -> tuple[str | None, int, datetime] | None:
    """The hold that is open or approved, as the oracle has it."""
    mine = (Hold.integration_id == id_, Hold.state.in_((HoldState.OPEN, HoldState.APPROVED)))
    found = list(db.session.scalars(select(Hold).where(*mine)))
    release()
    assert len(found) <= 1, "two holds wait"
    return (found[0].decided_by, found[0].up_to, found[0].expires_at or NOON) if found else None
