"""Add the listener for event notifications of a UEM, the events, and when their devices are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("job", sa.Column("events_at", UtcDateTime()))
    op.create_table(
        "event_listener",
        sa.Column("integration_id", INTEGER, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("former_hash", sa.String(64)),
        sa.Column("former_until", UtcDateTime()),
        sa.Column("rotated_at", UtcDateTime(), nullable=False),
        sa.Column("tested_at", UtcDateTime()),
        sa.Column("received_at", UtcDateTime()),
        sa.Column("accepted", INTEGER, nullable=False),
        sa.Column("repeated", INTEGER, nullable=False),
        sa.Column("unknown", INTEGER, nullable=False),
        sa.Column("unreadable", INTEGER, nullable=False),
        sa.Column("refused", INTEGER, nullable=False),
        sa.Column("refused_at", UtcDateTime()),
        sa.Column("last_unknown", sa.String(64), nullable=False),
        sa.Column("overflowed", sa.Boolean(), nullable=False),
        sa.Column("rests_until", UtcDateTime()),
        sa.Column("missed", INTEGER, nullable=False),
        sa.Column("missed_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integration.id"],
            name="fk_event_listener_integration_id_integration",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", name="pk_event_listener"),
        sa.UniqueConstraint("address", name="uq_event_listener_address"),
    )
    op.create_table(
        "uem_event",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("integration_id", INTEGER, nullable=False),
        sa.Column("external_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("happened_at", UtcDateTime()),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("checks", INTEGER, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integration.id"],
            name="fk_uem_event_integration_id_integration",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_uem_event"),
        sa.UniqueConstraint("integration_id", "digest", name="uq_uem_event_integration_id_digest"),
    )
    op.create_index("ix_uem_event_integration_id_received_at", "uem_event", ["integration_id", "received_at"])
    op.create_index(
        "ix_uem_event_waiting",
        "uem_event",
        ["integration_id", "due_at"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def downgrade() -> None:
    # The former code knows neither.
    op.execute(
        "UPDATE device SET absent_from = NULL, missing_since = NULL, absent_why = '' WHERE absent_why = 'event'"
    )
    op.execute("DELETE FROM sync_run WHERE kind = 'events'")
    op.drop_table("uem_event")
    op.drop_table("event_listener")
    with op.batch_alter_table("job") as batch_op:
        batch_op.drop_column("events_at")
