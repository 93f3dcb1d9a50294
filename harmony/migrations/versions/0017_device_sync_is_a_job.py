"""The device sync is a job like the others: its due times, lease and failures move to the table of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# The columns of an integration, and what they are called in its job.
MOVED = {
    "next_sync_at": "next_at",
    "next_delta_at": "refresh_at",
    "sync_requested_at": "requested_at",
    "sync_requested_by": "requested_by",
    "lease_owner": "lease_owner",
    "lease_until": "lease_until",
    "fence": "fence",
    "failures": "failures",
}
MOVE_TO_JOB = (
    f"INSERT INTO job (integration_id, kind, whole, {', '.join(MOVED.values())}) "  # noqa: S608 - names of ours
    f"SELECT id, 'devices', :whole, {', '.join(MOVED)} FROM integration"
)


def upgrade() -> None:
    """Copy the columns into a row for each integration, then drop them."""
    op.add_column("job", sa.Column("refresh_at", UtcDateTime()))
    op.execute(sa.text(MOVE_TO_JOB).bindparams(whole=True))
    op.drop_index("ix_integration_next_sync_at", "integration")
    for column in MOVED:
        op.drop_column("integration", column)
