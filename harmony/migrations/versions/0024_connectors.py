"""Add Connectors, their agents, and the calls that wait for one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "connector",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("former_hash", sa.String(64)),
        sa.Column("former_until", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_connector"),
        sa.UniqueConstraint("name", name="uq_connector_name"),
        sa.UniqueConstraint("key_hash", name="uq_connector_key_hash"),
        sa.UniqueConstraint("former_hash", name="uq_connector_former_hash"),
    )
    op.create_table(
        "connector_agent",
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("connector_id", INTEGER, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("running", INTEGER, nullable=False),
        sa.Column("allowed", sa.String(4096), nullable=False),
        sa.Column("error", sa.String(512), nullable=False),
        sa.Column("error_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name="fk_connector_agent_connector_id_connector",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code", name="pk_connector_agent"),
    )
    op.create_index("ix_connector_agent_connector_id_seen_at", "connector_agent", ["connector_id", "seen_at"])
    op.create_table(
        "relay_call",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("connector_id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("repeatable", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ticket_hash", sa.String(64)),
        sa.Column("agent", sa.String(32)),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("answered_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name="fk_relay_call_connector_id_connector",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_relay_call"),
    )
    op.create_index("ix_relay_call_connector_id_created_at", "relay_call", ["connector_id", "created_at"])
    op.create_index("ix_relay_call_expires_at", "relay_call", ["expires_at"])
    op.create_table(
        "relay_part",
        sa.Column("call_id", sa.String(32), nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["relay_call.id"], name="fk_relay_part_call_id_relay_call", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", "number", name="pk_relay_part"),
    )


def downgrade() -> None:
    for table in ("relay_part", "relay_call", "connector_agent", "connector"):
        op.drop_table(table)
