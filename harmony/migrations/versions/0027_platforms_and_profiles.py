"""Indexes for filters of the device list: devices by platform, live registrations by profile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NAME = "ix_registration_live_profile"
PLATFORM = ["platform", "id", "integration_id", "status", "risk", "deleted_at"]


def upgrade() -> None:
    op.create_index("ix_device_by_platform", "device", PLATFORM)
    live = sa.text("ended_at IS NULL")
    op.create_index(NAME, "registration", ["profile", "device_id"], sqlite_where=live, postgresql_where=live)


def downgrade() -> None:
    op.drop_index(NAME, table_name="registration")
    op.drop_index("ix_device_by_platform", table_name="device")
