"""Add sign-in through an OpenID provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("client_id", sa.String(256), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("scopes", sa.String(256), nullable=False),
        sa.Column("claim_path", sa.String(256), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_provider"),
    )
    op.create_table(
        "external_identity",
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("signed_in_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_external_identity_user_id_user", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_external_identity"),
        sa.UniqueConstraint("issuer", "subject", name="uq_external_identity_issuer"),
    )
    op.create_table(
        "sign_on_test",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_sign_on_test_user_id_user", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sign_on_test"),
    )
    op.create_index("ix_sign_on_test_user_id", "sign_on_test", ["user_id"])
    op.create_table(
        "sign_on_flow",
        sa.Column("state_hash", sa.String(64), nullable=False),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("test_id", sa.String(32)),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["test_id"], ["sign_on_test.id"], name="fk_sign_on_flow_test_id_sign_on_test", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("state_hash", name="pk_sign_on_flow"),
    )
    op.create_index("ix_sign_on_flow_started_at", "sign_on_flow", ["started_at"])
    op.create_table(
        "provider_session",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sid", sa.String(255), nullable=False),
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_hash"],
            ["sign_in_session.token_hash"],
            name="fk_provider_session_token_hash_sign_in_session",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_provider_session"),
    )
    op.create_index("ix_provider_session_sid", "provider_session", ["sid"])
    op.create_index("ix_provider_session_issuer_subject", "provider_session", ["issuer", "subject"])
    op.create_table(
        "used_logout_token",
        sa.Column("jti_hash", sa.String(64), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("jti_hash", name="pk_used_logout_token"),
    )


def downgrade() -> None:
    for table in (
        "used_logout_token", "provider_session", "sign_on_flow", "sign_on_test", "external_identity",
        "identity_provider",
    ):  # fmt: skip
        op.drop_table(table)
