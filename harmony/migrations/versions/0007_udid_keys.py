"""UDIDs are compared without dashes, braces and blanks, and a placeholder is compared with nothing.

Rows that were two spellings of one UDID have the same key from now on. Both are kept, with all they have:
which of them goes is for a person to say, on the page of either (docs/protect.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from harmony.device_ids import udid_key

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

DEVICE = sa.table(
    "device", sa.column("id", sa.Integer), sa.column("integration_id", sa.Integer),
    sa.column("udid", sa.String), sa.column("udid_key", sa.String), sa.column("deleted_at", sa.DateTime),
)  # fmt: skip
ROWS_PER_BATCH = 5000


def upgrade() -> None:
    _rewrite(udid_key)
    _log_shared()


def downgrade() -> None:
    _rewrite(str.casefold)


def _rewrite(key_of: Callable[[str], str]) -> None:
    """Recompute the key of every device, a batch at a time; a row whose key is right is not written."""
    last = 0
    while rows := _after(last):
        changed = [
            {"of": row.id, "key": key_of(row.udid)} for row in rows if key_of(row.udid) != row.udid_key
        ]
        if changed:
            update = sa.update(DEVICE).where(DEVICE.c.id == sa.bindparam("of"))
            op.get_bind().execute(update.values(udid_key=sa.bindparam("key")), changed)
        last = rows[-1].id


def _after(last: int) -> list[sa.Row[Any]]:
    columns = (DEVICE.c.id, DEVICE.c.udid, DEVICE.c.udid_key)
    batch = sa.select(*columns).where(DEVICE.c.id > last).order_by(DEVICE.c.id).limit(ROWS_PER_BATCH)
    return list(op.get_bind().execute(batch))


def _log_shared() -> None:
    """Say in numbers how many devices are there twice; nothing of them is merged or deleted."""
    same = (DEVICE.c.integration_id, DEVICE.c.udid_key)
    live = sa.select(*same).where(DEVICE.c.udid_key != "", DEVICE.c.deleted_at.is_(None))
    shared = live.group_by(*same).having(sa.func.count() > 1).subquery()
    if count := op.get_bind().scalar(sa.select(sa.func.count()).select_from(shared)):
        log.warning("%d UDIDs are shared by several devices. All were kept; see their pages.", count)
