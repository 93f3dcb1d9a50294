"""Counting absences, holds, soft deletion, history, audit; memberships without a second tree."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=True),
        sa.Column("integration_name", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entry_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_integration_id"), ["integration_id"], unique=False)

    op.create_table(
        "device_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_event_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_event")),
    )
    with op.batch_alter_table("device_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_event_at"), ["at"], unique=False)
        batch_op.create_index("ix_device_event_device_id_id", ["device_id", "id"], unique=False)

    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("live", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_hold_integration_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["sync_run.id"], name=op.f("fk_hold_run_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index("ix_hold_integration_id_id", ["integration_id", "id"], unique=False)

    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("udid_key", sa.String(length=128), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("absent_from", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("absent_why", sa.String(length=16), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("deleted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("deleted_by", sa.String(length=64), nullable=True))
        batch_op.alter_column("external_id", existing_type=sa.VARCHAR(length=64), nullable=True)
        batch_op.drop_index(batch_op.f("ix_device_integration_id_missing_since"))
        batch_op.create_index(
            "ix_device_absent",
            ["integration_id", "absent_from"],
            unique=False,
            sqlite_where=sa.text("missing_since IS NOT NULL"),
            postgresql_where=sa.text("missing_since IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_device_deleted",
            ["integration_id", "deleted_at"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NOT NULL"),
            postgresql_where=sa.text("deleted_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_device_integration_id_udid_key", ["integration_id", "udid_key"], unique=False
        )

    with op.batch_alter_table("integration", schema=None) as batch_op:
        batch_op.add_column(sa.Column("snapshots", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("suspect", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("next_delta_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("fresh_as_of", UtcDateTime(), nullable=True))
        batch_op.add_column(
            sa.Column("redact_pending", sa.Boolean(), nullable=False, server_default=sa.false())
        )

    with op.batch_alter_table("sync_run", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=16), nullable=False, server_default="snapshot")
        )
        batch_op.add_column(sa.Column("deleted", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("restored", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("calls", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("verification", schema=None) as batch_op:
        batch_op.add_column(sa.Column("preview", sa.JSON(none_as_null=True), nullable=True))

    # Casefold and lower differ for no UDID that any platform makes.
    op.execute("UPDATE device SET udid_key = lower(udid)")
    # What was marked before was not counted; the next complete snapshot starts the count.
    op.execute("UPDATE device SET missing_since = NULL")
    if op.get_bind().dialect.name == "sqlite":
        _without_rowid()


def _without_rowid() -> None:
    """A table whose key is the whole row needs one tree, not two."""
    op.rename_table("membership", "membership_with_rowid")
    op.create_table(
        "membership",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("group_kind", sa.String(length=16), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_membership_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "group_kind", "group_id", name=op.f("pk_membership")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO membership SELECT device_id, group_kind, group_id FROM membership_with_rowid")
    op.drop_table("membership_with_rowid")
