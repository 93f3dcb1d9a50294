"""Send mail through a Connector."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mail_server", sa.Column("connector", sa.String(64), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("mail_server", "connector")
