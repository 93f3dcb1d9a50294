"""Invitations; the browser of a session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("sign_in_session", sa.Column("browser", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "invitation",
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_invitation_user_id_user", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_invitation"),
        sa.UniqueConstraint("token_hash", name="uq_invitation_token_hash"),
    )


def downgrade() -> None:
    op.drop_table("invitation")
    op.drop_column("sign_in_session", "browser")
