"""Status and risk in the index of names: a list filtered by them is filtered while the names are walked.

Triggers keep the two columns as `protection` has them, whoever writes it. A later step that makes one of the two
tables anew on SQLite has to make the triggers anew too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FORMER = ("ix_device_name_key_id_integration_id", ["name_key", "id", "integration_id"])
INDEX = ("ix_device_by_name", ["name_key", "id", "integration_id", "status", "risk", "deleted_at"])
STATUS = ("ix_device_status", ["status", "integration_id", "deleted_at", "risk"])
RISK = ("ix_device_risk", ["risk", "integration_id", "deleted_at", "status"])

FILL = """
UPDATE device SET status = nullif(protection.status, 'provisioned'), risk = protection.risk
FROM protection WHERE protection.device_id = device.id
"""
FOLLOW = """
UPDATE device SET status = nullif(NEW.status, 'provisioned'), risk = NEW.risk WHERE id = NEW.device_id;
"""
FORGET = "UPDATE device SET status = NULL, risk = 0 WHERE id = OLD.device_id;"
CHANGED = "NEW.status <> OLD.status OR NEW.risk <> OLD.risk"

SQLITE = (
    f"CREATE TRIGGER protection_added AFTER INSERT ON protection BEGIN {FOLLOW} END",
    f"CREATE TRIGGER protection_changed AFTER UPDATE OF status, risk ON protection WHEN {CHANGED} "
    f"BEGIN {FOLLOW} END",
    f"CREATE TRIGGER protection_removed AFTER DELETE ON protection BEGIN {FORGET} END",
)
POSTGRESQL = (
    f"CREATE FUNCTION follow_protection() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {FOLLOW} RETURN NULL; END$$",
    f"CREATE FUNCTION forget_protection() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {FORGET} RETURN NULL; END$$",
    "CREATE TRIGGER protection_added AFTER INSERT ON protection "
    "FOR EACH ROW EXECUTE FUNCTION follow_protection()",
    f"CREATE TRIGGER protection_changed AFTER UPDATE OF status, risk ON protection FOR EACH ROW "
    f"WHEN ({CHANGED}) EXECUTE FUNCTION follow_protection()",
    "CREATE TRIGGER protection_removed AFTER DELETE ON protection "
    "FOR EACH ROW EXECUTE FUNCTION forget_protection()",
)
TRIGGERS = ("protection_added", "protection_changed", "protection_removed")


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("device", sa.Column("status", sa.String(16), nullable=True))
    op.add_column("device", sa.Column("risk", number, nullable=False, server_default="0"))
    op.drop_index(FORMER[0], table_name="device")
    op.execute(FILL)
    op.create_index(*_on_device(INDEX))
    op.create_index(*_on_device(STATUS))
    risky = sa.text("risk > 0")
    op.create_index(*_on_device(RISK), sqlite_where=risky, postgresql_where=risky)
    _replace_absent("integration_id", "absent_from", "deleted_at")
    for statement in SQLITE if _is_sqlite() else POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}" if _is_sqlite() else f"DROP TRIGGER {name} ON protection")
    if not _is_sqlite():
        op.execute("DROP FUNCTION follow_protection")
        op.execute("DROP FUNCTION forget_protection")
    for name, _columns in (INDEX, STATUS, RISK):
        op.drop_index(name, table_name="device")
    op.drop_column("device", "status")
    op.drop_column("device", "risk")
    op.create_index(*_on_device(FORMER))
    _replace_absent("integration_id", "absent_from")


def _replace_absent(*columns: str) -> None:
    op.drop_index("ix_device_absent", table_name="device")
    where = sa.text("missing_since IS NOT NULL")
    op.create_index("ix_device_absent", "device", list(columns), sqlite_where=where, postgresql_where=where)


def _on_device(index: tuple[str, list[str]]) -> tuple[str, str, list[str]]:
    return index[0], "device", index[1]


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
