"""What was typed and what was ours is kept: pages as they were left, forms of ended sessions, former tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_form",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("page", sa.String(length=512), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_kept_form_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_form")),
    )
    op.create_index(op.f("ix_kept_form_user_id"), "kept_form", ["user_id"])
    op.create_table(
        "former_tag",
        sa.Column("server", sa.String(length=512), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("server", "external_id", name=op.f("pk_former_tag")),
    )
    op.add_column("setup_page", sa.Column("typed", sa.Text(), nullable=True))
    op.add_column("sign_in_session", sa.Column("ended_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("sign_in_session", "ended_at")
    op.drop_column("setup_page", "typed")
    op.drop_table("former_tag")
    op.drop_index(op.f("ix_kept_form_user_id"), table_name="kept_form")
    op.drop_table("kept_form")
