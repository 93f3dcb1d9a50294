"""The tags of ours as rows: which are needed, how they are called now, and which of them are due for a look.

One that got another name stays as a former tag until it is off every device; then its row only remembers that
the tag of that name is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.clock import within
from harmony.db import bulk, db, release, write
from harmony.models import UemTag
from harmony.models.configuration import Tagging
from harmony.tagging.links import Beat
from harmony.tagging.names import FACTOR, OLD, is_managed, name_of, needed_keys, tag_key

CHECK_EVERY = timedelta(days=1)
_SELECT_LINKED_KEYS = "SELECT DISTINCT key FROM tag_link WHERE integration_id = ?"


class OurTag(NamedTuple):
    """A row of `UemTag`, read at some moment."""

    key: str
    name: str
    external_id: str | None = None
    group: str | None = None
    checked_at: datetime | None = None
    retired_at: datetime | None = None
    problem: str = ""
    kept_off: bool = False
    proven: bool = True
    doubted_at: datetime | None = None
    former_id: str | None = None

    @property
    def is_used(self) -> bool:
        """Tell whether there will be something to look at in the UEM again."""
        watched = self.kept_off or not self.key.startswith(OLD)
        return self.problem != "" or (self.external_id is not None and watched)

    def is_due(self, now: datetime) -> bool:
        """Tell whether nobody has looked in the UEM for a day, or what was seen cannot be relied on."""
        doubted = self.doubted_at is not None
        return doubted or self.checked_at is None or not within(self.checked_at, CHECK_EVERY, now)

    def is_read_back(self, tagging: Tagging) -> bool:
        """Return True if it is to be known who carries it: it is put on devices, or must be on none."""
        to_be_off = self.kept_off or self.retired_at is not None
        return self.external_id is not None and (to_be_off or is_managed(self.key, tagging))


_COLUMNS = (UemTag.key, UemTag.name, UemTag.external_id, UemTag.organization_group_id)
_COLUMNS_OF_STATE = (
    UemTag.checked_at, UemTag.retired_at, UemTag.problem, UemTag.kept_off, UemTag.proven, UemTag.doubted_at,
    UemTag.former_id,
)  # fmt: skip


def tags_of(integration_id: int) -> list[OurTag]:
    """Every row, as it is now."""
    rows = select(*_COLUMNS, *_COLUMNS_OF_STATE).where(UemTag.integration_id == integration_id)
    found = [OurTag._make(row) for row in db.session.execute(rows.order_by(UemTag.key))]
    release()
    return found


def retired(tags: Sequence[OurTag]) -> tuple[str, ...]:
    """The keys of the tags that are being taken off everything, or are kept off."""
    return tuple(tag.key for tag in tags if tag.retired_at is not None or tag.kept_off)


def needed(integration_id: int, tagging: Tagging) -> tuple[str, ...]:
    """The keys of the tags that must be in the UEM: those of threat factors once one is on some device."""
    linked = [row[0] for row in bulk.fetch_all(db.session(), _SELECT_LINKED_KEYS, (integration_id,))]
    release()
    return needed_keys(tagging, (key.removeprefix(FACTOR) for key in linked if key.startswith(FACTOR)))


def prepare(integration_id: int, tagging: Tagging, now: datetime, beat: Beat) -> bool:
    """Have a row under its present name for each tag that is needed; whether one was renamed.

    One of another name becomes a former tag, which is taken off once the new one is on. One that was ours
    under the new name is taken up again. What is on devices is not touched here: reading back tells.
    """
    keys = needed(integration_id, tagging)
    with write() as session:
        beat(session)
        conditions = select(UemTag).where(UemTag.integration_id == integration_id)
        rows = _Rows(session, {tag.key: tag for tag in session.scalars(conditions)}, now)
        return any([rows.have(integration_id, key, name_of(key, tagging)) for key in keys])


class _Rows(NamedTuple):
    """The rows of an integration inside a `write()`."""

    session: Session
    by_key: dict[str, UemTag]
    now: datetime

    def have(self, integration_id: int, key: str, name: str) -> bool:
        """Have a row of that key and name that is not retired; whether another row had to give way."""
        row = self.by_key.get(key)
        if row is not None and (row.retired_at is not None or row.kept_off):
            row.retired_at, row.checked_at, row.kept_off = None, None, False
        if row is not None and tag_key(row.name) == tag_key(name):
            row.name = name
            return False
        renamed = row is not None and self._give_way(row)
        former = self._former(name)
        if former is not None:
            self._move(former, key)
            former.retired_at, former.checked_at, former.kept_off = None, None, False
            former.name = name
        elif key not in self.by_key:
            self.by_key[key] = UemTag(integration_id=integration_id, key=key, name=name)
            self.session.add(self.by_key[key])
        self.session.flush()
        return renamed or former is not None

    def _former(self, name: str) -> UemTag | None:
        """The former tag of ours that the UEM takes for the one of this name."""
        former = (row for row in self.by_key.values() if row.key.startswith(OLD))
        return next((row for row in former if tag_key(row.name) == tag_key(name)), None)

    def _give_way(self, row: UemTag) -> bool:
        """A tag that was never in the UEM under its former name leaves nothing behind."""
        if row.external_id is None:
            del self.by_key[row.key]
            self.session.delete(row)
            self.session.flush()
            return False
        self._move(row, f"{OLD}{row.external_id}")
        row.retired_at, row.checked_at, row.kept_off = self.now, None, True
        return True

    def _move(self, row: UemTag, key: str) -> None:
        del self.by_key[row.key]
        row.key = key
        self.by_key[key] = row
        self.session.flush()
