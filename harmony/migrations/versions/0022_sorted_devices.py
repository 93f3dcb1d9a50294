"""Orders of the device list beside names: by status, by risk, by group, each with an index that it walks.

The triggers that keep status and risk of a device keep their ranks too (0010). The platform joins the columns that
are filtered in an index.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FORMER = ["name_key", "id", "integration_id", "status", "risk", "deleted_at"]
FILTERED = ["integration_id", "status", "risk", "deleted_at", "platform"]
INDEXES = {
    "ix_device_by_name": "name_key",
    "ix_device_by_status": "status_rank",
    "ix_device_by_risk": "risk_rank",
    "ix_device_by_group": "group_name",
}
RANKS = """
    status_rank = CASE {row}.status WHEN 'active' THEN 0 WHEN 'inactive' THEN 1 ELSE 2 END,
    risk_rank = CASE WHEN {row}.status = 'provisioned' AND {row}.risk = 0 THEN 0 ELSE {row}.risk + 1 END
"""
FILL = f"UPDATE device SET {RANKS.format(row='protection')} FROM protection WHERE protection.device_id = device.id"  # noqa: S608 - ours
SET = "status = nullif(NEW.status, 'provisioned'), risk = NEW.risk"
FOLLOW = f"UPDATE device SET {SET}, {RANKS.format(row='NEW')} WHERE id = NEW.device_id;"  # noqa: S608 - ours
FORGET = "UPDATE device SET status = NULL, risk = 0, status_rank = 2, risk_rank = 0 WHERE id = OLD.device_id;"
FORMER_FOLLOW = f"UPDATE device SET {SET} WHERE id = NEW.device_id;"  # noqa: S608 - ours
FORMER_FORGET = "UPDATE device SET status = NULL, risk = 0 WHERE id = OLD.device_id;"
CHANGED = "NEW.status <> OLD.status OR NEW.risk <> OLD.risk"
SQLITE = {
    "protection_added": "AFTER INSERT ON protection BEGIN {follow} END",
    "protection_changed": f"AFTER UPDATE OF status, risk ON protection WHEN {CHANGED} BEGIN {{follow}} END",
    "protection_removed": "AFTER DELETE ON protection BEGIN {forget} END",
}


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("device", sa.Column("status_rank", number, nullable=False, server_default="2"))
    op.add_column("device", sa.Column("risk_rank", number, nullable=False, server_default="0"))
    op.drop_index("ix_device_by_name", table_name="device")
    op.execute(FILL)
    for name, key in INDEXES.items():
        op.create_index(name, "device", [key, "id", *FILTERED])
    _replace_triggers(FOLLOW, FORGET)


def downgrade() -> None:
    _replace_triggers(FORMER_FOLLOW, FORMER_FORGET)
    for name in INDEXES:
        op.drop_index(name, table_name="device")
    op.drop_column("device", "status_rank")
    op.drop_column("device", "risk_rank")
    op.create_index("ix_device_by_name", "device", FORMER)


def _replace_triggers(follow: str, forget: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, body in SQLITE.items():
            op.execute(f"DROP TRIGGER {name}")
            op.execute(f"CREATE TRIGGER {name} {body.format(follow=follow, forget=forget)}")
        return
    for name, action in (("follow_protection", follow), ("forget_protection", forget)):
        op.execute(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$BEGIN {action} RETURN NULL; END$$"
        )
