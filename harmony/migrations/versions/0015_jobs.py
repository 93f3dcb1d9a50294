"""Duties are called jobs: new tables, with every row of the old ones in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_JOB = (
    "next_at, requested_at, requested_by, whole, done_up_to, failures, parked_why, lease_owner, lease_until, "
    "fence, batch_limit"
)
_RUN = (
    "state, started_by, started_at, heartbeat_at, finished_at, owner, fence, step, counts, calls, quota_left, "
    "quota_limit, reason, advice"
)
COPY_JOBS = f"INSERT INTO job (integration_id, kind, {_JOB}) SELECT integration_id, name, {_JOB} FROM duty"  # noqa: S608 - ours
COPY_JOB_RUNS = (
    f"INSERT INTO job_run (id, integration_id, kind, {_RUN}) "  # noqa: S608 - ours
    f"SELECT id, integration_id, duty, {_RUN} FROM duty_run"
)
# PostgreSQL counts apart from the rows; the next run takes the id after the newest one.
NEXT_ID = "SELECT setval(pg_get_serial_sequence('job_run', 'id'), COALESCE((SELECT max(id) FROM job_run), 0) + 1, false)"


def _integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, copy the rows, drop the former tables."""
    _create_job()
    _create_job_run()
    op.execute(sa.text(COPY_JOBS))
    op.execute(sa.text(COPY_JOB_RUNS))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(NEXT_ID))
    op.drop_table("duty_run")
    op.drop_table("duty")


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("integration_id", _integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("requested_at", UtcDateTime()),
        sa.Column("requested_by", sa.String(64)),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("done_up_to", UtcDateTime()),
        sa.Column("failures", _integer(), nullable=False),
        sa.Column("parked_why", sa.String(1024)),
        sa.Column("lease_owner", sa.String(128)),
        sa.Column("lease_until", UtcDateTime()),
        sa.Column("fence", _integer(), nullable=False),
        sa.Column("batch_limit", _integer()),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_job_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("integration_id", "kind", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_next_at"), "job", ["next_at"])


def _create_job_run() -> None:
    op.create_table(
        "job_run",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("integration_id", _integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_by", sa.String(64), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("fence", _integer(), nullable=False),
        sa.Column("step", sa.String(256), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("calls", _integer(), nullable=False),
        sa.Column("quota_left", _integer()),
        sa.Column("quota_limit", _integer()),
        sa.Column("reason", sa.String(1024), nullable=False),
        sa.Column("advice", sa.String(1024), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_job_run_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
    )
    op.create_index("ix_job_run_integration_id_kind_id", "job_run", ["integration_id", "kind", "id"])
    op.create_index(op.f("ix_job_run_state"), "job_run", ["state"])
