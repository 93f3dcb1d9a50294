"""Mail server, channels, outbox and templates of messages; notices; codes for one profile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "message", "notice_subscription", "notice_state", "message_template", "message_channel", "mail_server",
)  # fmt: skip


def upgrade() -> None:
    _configuration()
    _outbox()
    with op.batch_alter_table("registration_code") as batch_op:
        batch_op.add_column(sa.Column("profile", sa.String(16), server_default="", nullable=False))
        batch_op.add_column(sa.Column("tries", INTEGER, server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("registration_code") as batch_op:
        batch_op.drop_column("tries")
        batch_op.drop_column("profile")
    for table in TABLES:
        op.drop_table(table)


def _configuration() -> None:
    op.create_table(
        "mail_server",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", INTEGER, nullable=False),
        sa.Column("security", sa.String(length=16), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=256), nullable=False),
        sa.Column("sender_name", sa.String(length=128), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_server")),
    )
    op.create_table(
        "message_channel",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_channel")),
    )
    op.create_table(
        "message_template",
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("language", name=op.f("pk_message_template")),
    )
    op.create_table(
        "notice_state",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1024), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "subject", name=op.f("pk_notice_state")),
    )
    op.create_table(
        "notice_subscription",
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("address", sa.String(length=256), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("channel_ids", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_notice_subscription_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notice_subscription")),
    )


def _outbox() -> None:
    op.create_table(
        "message",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("channel_id", INTEGER),
        sa.Column("integration_id", INTEGER),
        sa.Column("device_id", INTEGER),
        sa.Column("user_id", INTEGER),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", INTEGER, nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("answer", sa.String(length=512), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["message_channel.id"], name=op.f("fk_message_channel_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_message_device_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_message_integration_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_message_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("key", name=op.f("uq_message_key")),
    )
    with op.batch_alter_table("message") as batch_op:
        batch_op.create_index("ix_message_device_id_id", ["device_id", "id"])
        batch_op.create_index("ix_message_integration_id_id", ["integration_id", "id"])
        batch_op.create_index("ix_message_state_next_at", ["state", "next_at"])
