"""Indexes by which the pages of history ask: a run's devices and hold, a person's and an integration's acts."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Lines are written in the order of their ids, so that old ones are found without an index by time.
    op.drop_index("ix_device_event_at", table_name="device_event")
    op.create_index("ix_device_event_run_id_id", "device_event", ["run_id", "id"])
    op.create_index("ix_device_integration_id_created_at", "device", ["integration_id", "created_at"])
    op.create_index("ix_hold_run_id", "hold", ["run_id"])
    op.drop_index("ix_audit_entry_at", table_name="audit_entry")
    op.drop_index("ix_audit_entry_integration_id", table_name="audit_entry")
    op.create_index("ix_audit_entry_integration_id_id", "audit_entry", ["integration_id", "id"])
    op.create_index("ix_audit_entry_who_id", "audit_entry", ["who", "id"])
