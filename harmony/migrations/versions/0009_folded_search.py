"""Search keys folded anew, with e-mail and identifiers in them; times that mean "never" become none.

The folding in force is used, not a copy of it: whoever changes it needs a step like this one anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime
from harmony.folding import lines, sort_key
from harmony.uem.device_keys import search_text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 5000
EARLIEST, LATEST = datetime(2000, 1, 3, tzinfo=UTC), datetime(2079, 1, 1, tzinfo=UTC)

TEXTS = ("name_key", "search_text", "name", "serial", "udid", "user_name", "email")
DEVICE = sa.table(
    "device", sa.column("id", sa.BigInteger), *(sa.column(name, sa.String) for name in TEXTS),
    *(sa.column(name, UtcDateTime()) for name in ("last_seen_at", "enrolled_at")),
)  # fmt: skip
APP = sa.table(
    "app", sa.column("id", sa.BigInteger),
    *(sa.column(name, sa.String) for name in ("name_key", "search_text", "name", "identifier")),
)  # fmt: skip


def upgrade() -> None:
    op.add_column("app", sa.Column("search_text", sa.String(1024), nullable=False, server_default=""))
    for rows in _batches(DEVICE):
        _refold(DEVICE, [(row, sort_key(row.name), _of_device(row)) for row in rows])
    for rows in _batches(APP):
        _refold(APP, [(row, sort_key(row.name), lines(row.name, row.identifier)) for row in rows])
    for column in (DEVICE.c.last_seen_at, DEVICE.c.enrolled_at):
        never = sa.or_(column < EARLIEST, column >= LATEST)
        op.get_bind().execute(sa.update(DEVICE).where(never).values({column.name: None}))


def downgrade() -> None:
    op.drop_column("app", "search_text")


def _of_device(row: Any) -> str:
    return search_text(row.name, row.serial, row.udid, row.user_name, row.email)


def _batches(table: sa.TableClause) -> Iterator[Sequence[Any]]:
    last = 0
    while rows := op.get_bind().execute(_after(table, last)).all():
        yield rows
        last = rows[-1].id


def _after(table: sa.TableClause, last: int) -> sa.Select[Any]:
    columns = [column for column in table.c if not isinstance(column.type, UtcDateTime)]
    return sa.select(*columns).where(table.c.id > last).order_by(table.c.id).limit(ROWS_AT_ONCE)


def _refold(table: sa.TableClause, rows: Sequence[tuple[Any, str, str]]) -> None:
    changed = [
        {"row": row.id, "key": key, "text": text}
        for row, key, text in rows
        if (row.name_key, row.search_text) != (key, text)
    ]
    statement = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(name_key=sa.bindparam("key"), search_text=sa.bindparam("text"))
    )
    if changed:
        op.get_bind().execute(statement, changed)
