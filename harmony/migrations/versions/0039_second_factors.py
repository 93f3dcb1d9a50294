"""Add second factors, passkeys and the sign-ins that wait for one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "known_address",
    "pending_sign_in",
    "passkey_challenge",
    "passkey",
    "recovery_code",
    "used_totp_step",
    "totp_secret",
)


def upgrade() -> None:
    op.add_column("user", sa.Column("password_off", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("sign_in_session", sa.Column("method", sa.String(32), nullable=False, server_default=""))
    rule: sa.Column[bool] = sa.Column(
        "requires_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("role_settings", rule)
    _create_codes()
    _create_passkeys()
    _create_sign_ins()


def _create_codes() -> None:
    op.create_table(
        "totp_secret",
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("sealed", sa.String(512), nullable=False),
        sa.Column("pending", sa.String(512), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        _of_user("totp_secret"),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_secret"),
    )
    op.create_table(
        "used_totp_step",
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("step", INTEGER, nullable=False),
        _of_user("used_totp_step"),
        sa.PrimaryKeyConstraint("user_id", "step", name="pk_used_totp_step"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        _of_user("recovery_code"),
        sa.PrimaryKeyConstraint("code_hash", name="pk_recovery_code"),
    )
    op.create_index("ix_recovery_code_user_id", "recovery_code", ["user_id"])


def _create_passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("rp_id", sa.String(255), nullable=False),
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", INTEGER, nullable=False),
        sa.Column("transports", sa.String(128), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        _of_user("passkey"),
        sa.PrimaryKeyConstraint("id", name="pk_passkey"),
        sa.UniqueConstraint("credential_id", name="uq_passkey_credential_id"),
    )
    op.create_index("ix_passkey_user_id", "passkey", ["user_id"])
    op.create_table(
        "passkey_challenge",
        sa.Column("challenge_hash", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("user_id", INTEGER, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        _of_user("passkey_challenge"),
        sa.PrimaryKeyConstraint("challenge_hash", name="pk_passkey_challenge"),
    )
    op.create_index("ix_passkey_challenge_user_id", "passkey_challenge", ["user_id"])
    op.create_index("ix_passkey_challenge_created_at", "passkey_challenge", ["created_at"])


def _create_sign_ins() -> None:
    op.create_table(
        "pending_sign_in",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("target", sa.String(2048), nullable=False),
        sa.Column("tries", INTEGER, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        _of_user("pending_sign_in"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_pending_sign_in"),
    )
    op.create_index("ix_pending_sign_in_user_id", "pending_sign_in", ["user_id"])
    op.create_index("ix_pending_sign_in_created_at", "pending_sign_in", ["created_at"])
    op.create_table(
        "known_address",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_known_address"),
    )
    op.create_index("ix_known_address_seen_at", "known_address", ["seen_at"])


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_user_id_user"
    return sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("role_settings", "requires_second_factor")
    op.drop_column("sign_in_session", "method")
    op.drop_column("user", "password_off")
