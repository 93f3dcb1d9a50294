"""Add the feed with what is kept so far, the destinations that read it, and their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("next_at IS NOT NULL")

# {json}: json_object or json_build_object. In the order of their times, as if each had been written then.
FILL = """
INSERT INTO feed (at, kind, name, severity, subject_id, integration_id, device_id, details)
SELECT at, kind, name, severity, subject_id, integration_id, device_id, details FROM (
  SELECT at, 'event' AS kind, verb AS name, severity, CAST(NULL AS bigint) AS subject_id, integration_id, device_id,
    {json}('factor', factor, 'vector', vector, 'detail', detail) AS details, 1 AS source, id FROM event
  UNION ALL
  SELECT at, 'audit', '', severity, id, integration_id, CAST(NULL AS bigint),
    {json}('who', who, 'what', what, 'integration', integration_name, 'detail', detail, 'module', module,
      'category', category, 'hash', hash), 2, id FROM audit_entry
  UNION ALL
  SELECT finished_at, 'run', state, {severity}, id, integration_id, CAST(NULL AS bigint),
    {json}('job', 'devices', 'reason', reason), 3, id FROM sync_run WHERE finished_at IS NOT NULL
  UNION ALL
  SELECT finished_at, 'run', state, {severity}, id, integration_id, CAST(NULL AS bigint),
    {json}('job', kind, 'reason', reason), 4, id FROM job_run WHERE finished_at IS NOT NULL
) AS kept ORDER BY at, source, id
"""
SEVERITY = "CASE WHEN state IN ('ok', 'cancelled') THEN 'information' ELSE 'warning' END"


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("subject_id", INTEGER),
        sa.Column("integration_id", INTEGER),
        sa.Column("device_id", INTEGER),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed"),
        sqlite_autoincrement=True,
    )
    _create_destinations()
    _create_deliveries()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(FILL.format(json="json_object" if is_sqlite else "json_build_object", severity=SEVERITY))


def _create_destinations() -> None:
    op.create_table(
        "destination",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("address", sa.String(512), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text(), nullable=False),
        sa.Column("former_until", UtcDateTime()),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("least_severity", sa.String(16), nullable=False),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("cursor", INTEGER, nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("failures", INTEGER, nullable=False),
        sa.Column("failing_since", UtcDateTime()),
        sa.Column("reason", sa.String(512), nullable=False),
        sa.Column("success_at", UtcDateTime()),
        sa.Column("sent", INTEGER, nullable=False),
        sa.Column("lost", INTEGER, nullable=False),
        sa.Column("lost_at", UtcDateTime()),
        sa.Column("lease_until", UtcDateTime()),
        sa.Column("fence", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_destination"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("destination_id", INTEGER, nullable=False),
        sa.Column("first_id", INTEGER, nullable=False),
        sa.Column("last_id", INTEGER, nullable=False),
        sa.Column("records", INTEGER, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("answer", sa.String(512), nullable=False),
        sa.Column("tries", INTEGER, nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["destination.id"], name="fk_delivery_destination_id_destination",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )  # fmt: skip
    op.create_index("ix_delivery_destination_id_id", "delivery", ["destination_id", "id"])
    op.create_index(
        "ix_delivery_next_at", "delivery", ["destination_id", "next_at"], sqlite_where=OPEN,
        postgresql_where=OPEN,
    )  # fmt: skip


def downgrade() -> None:
    for table in ("delivery", "destination", "feed"):
        op.drop_table(table)
