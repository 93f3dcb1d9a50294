"""The runs of device syncs move to the table of all other runs; what points at a run follows it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A device sync keeps its id, which the history of devices has by the million: the fewer others get new ones,
# which no run of either table has had.
OFFSET = (
    "SELECT coalesce(max(id), 0) FROM (SELECT max(id) AS id FROM sync_run "
    "UNION ALL SELECT max(id) FROM job_run) AS newest"
)
RENUMBER_JOB_RUNS = "UPDATE job_run SET former_id = id, id = id + :offset"
# Of the history of devices only these lines are about a run of tagging.
RENUMBER_HISTORY = (
    "UPDATE device_event SET run_id = run_id + :offset WHERE kind = 'untagged' AND run_id IS NOT NULL"
)
RENUMBER_FEED = "UPDATE feed SET subject_id = subject_id + :offset WHERE kind = 'run' AND {job} <> 'devices'"

SHARED = (
    "id, integration_id, state, started_by, started_at, heartbeat_at, finished_at, owner, fence, version, step, "
    "calls, quota_left, quota_limit, reason, advice"
)
COUNTS = (
    "pages_read", "devices_read", "expected", "added", "updated", "unchanged", "missing", "reappeared",
    "deleted", "restored", "skipped",
)  # fmt: skip
# A count that is zero is left out, as in the runs that come.
PAIRS = ", ".join(f"'{name}', nullif({name}, 0)" for name in COUNTS)
MOVE_SYNC_RUNS = (
    f"INSERT INTO job_run (kind, sync_kind, counts, {SHARED}) "  # noqa: S608 - names of ours
    f"SELECT 'devices', kind, {{counts}}, {SHARED} FROM sync_run ORDER BY id"
)
NEXT_ID = "SELECT setval(pg_get_serial_sequence('job_run', 'id'), coalesce((SELECT max(id) FROM job_run), 0) + 1, false)"


def upgrade() -> None:
    """Renumber the runs of other jobs, put the device syncs beside them, and let what points there follow."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("job_run", sa.Column("sync_kind", sa.String(16), nullable=False, server_default=""))
    op.add_column("job_run", sa.Column("version", INTEGER))
    op.add_column("job_run", sa.Column("former_id", INTEGER))
    op.create_index("ix_job_run_integration_id_id", "job_run", ["integration_id", "id"])
    _renumber("json_extract(details, '$.job')" if is_sqlite else "details ->> 'job'")
    counts = (
        f"json_patch('{{}}', json_object({PAIRS}))"
        if is_sqlite
        else f"json_strip_nulls(json_build_object({PAIRS}))"
    )
    op.execute(MOVE_SYNC_RUNS.format(counts=counts))
    for table, on_delete in (("skipped_device", "CASCADE"), ("hold", "SET NULL")):
        _point_at_job_run(table, on_delete)
    op.drop_table("sync_run")
    if not is_sqlite:
        op.execute(NEXT_ID)


def _renumber(job: str) -> None:
    offset = op.get_bind().scalar(sa.text(OFFSET))
    for statement in (RENUMBER_JOB_RUNS, RENUMBER_HISTORY, RENUMBER_FEED.format(job=job)):
        op.execute(sa.text(statement).bindparams(offset=offset))


def _point_at_job_run(table: str, on_delete: str) -> None:
    name = f"fk_{table}_run_id"
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="foreignkey")
        batch.create_foreign_key(name, "job_run", ["run_id"], ["id"], ondelete=on_delete)
