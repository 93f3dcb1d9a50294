"""Roles: every user so far is an administrator; scopes, disabled users, settings of a role."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("scope", sa.JSON(none_as_null=True)))
    op.add_column("user", sa.Column("disabled_at", UtcDateTime()))
    op.add_column("sign_in_session", sa.Column("reauthenticated_at", UtcDateTime()))
    op.create_table(
        "role_settings",
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("hides_personal_data", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("role", name="pk_role_settings"),
    )
    op.execute("UPDATE \"user\" SET role = 'administrator'")


def downgrade() -> None:
    # The former code takes everybody for an administrator: whoever was less must not get in.
    op.execute(
        'DELETE FROM sign_in_session WHERE user_id IN (SELECT id FROM "user" '
        "WHERE disabled_at IS NOT NULL OR scope IS NOT NULL OR role <> 'administrator')"
    )
    op.execute(
        "UPDATE \"user\" SET password_hash = '!' "
        "WHERE disabled_at IS NOT NULL OR scope IS NOT NULL OR role <> 'administrator'"
    )
    op.drop_table("role_settings")
    op.drop_column("sign_in_session", "reauthenticated_at")
    op.drop_column("user", "disabled_at")
    op.drop_column("user", "scope")
