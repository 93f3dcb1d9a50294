"""Several machines: where a process runs and in which version, and on PostgreSQL the tables of the queue.

Revision ID: 0040
Revises: 0039
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime
from harmony.models.queue_tables import CREATE, TABLES

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("node", sa.String(64), nullable=False, server_default=""))
    op.add_column("worker", sa.Column("version", sa.String(32), nullable=False, server_default=""))
    op.add_column("worker", sa.Column("ticked_at", UtcDateTime(), nullable=True))
    op.add_column("worker", sa.Column("stopped_at", UtcDateTime(), nullable=True))
    op.create_table(
        "web_process",
        sa.Column("identity", sa.String(128), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("stopped_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("identity", name="pk_web_process"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("serves_from", sa.String(32), nullable=False),
        sa.Column("queue_key", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for statement in CREATE:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            op.drop_table(table)
    op.drop_table("installation")
    op.drop_table("web_process")
    for column in ("stopped_at", "ticked_at", "version", "node"):
        op.drop_column("worker", column)
