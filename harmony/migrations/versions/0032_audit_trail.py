"""Classify audit entries, chain them by hashes, and refuse their change and removal."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
GENESIS = "0" * 64
TEXTS = {
    "severity": (16, "information"), "module": (32, "Other"), "category": (32, "Other"), "changes": (8192, ""),
    "search_text": (8192, ""), "former_hash": (64, ""), "hash": (64, ""),
}  # fmt: skip
HASHED = (
    "id", "at", "who", "severity", "module", "category", "what", "integration_id", "integration_name",
    "detail", "changes", "former_hash",
)  # fmt: skip
# The words that the entries so far begin with.
MODULES = {
    "Signed in": "Accounts", "Created the first": "Accounts", "Added a user": "Accounts",
    "Reset a password": "Accounts", "Asked for tagging": "Tagging", "Cancelled the tagging": "Tagging",
    "Created tags": "Tagging", "Asked to take tags": "Tagging", "Asked for a message": "Messages",
    "Asked for messages": "Messages", "Cancelled a message": "Messages", "Cancelled the sending": "Messages",
    "Sent registration": "Messages", "Edited the registration": "Messages",
    "Reset the registration messages": "Messages", "Edited notices": "Messages",
    "Changed the mail": "Messages", "Removed the mail": "Messages", "Added a message": "Messages",
    "Changed a message": "Messages", "Removed a message": "Messages", "Changed the outbound": "Network",
    "Removed the outbound": "Network", "Added a Connector": "Network", "Rotated the key": "Network",
    "Revoked a Connector": "Network", "Rotated the secrets": "System", "Database restored": "System",
    "Changed the policy": "Policy", "Set an app": "Policy", "Lifted an app": "Policy",
    "Deleted devices": "Devices", "Restored devices": "Devices", "Exported devices": "Devices",
    "Made a registration": "Devices", "Reset the registration": "Devices",
    "Asked for a": "Synchronization", "Cancelled the": "Synchronization", "Approved": "Synchronization",
    "Dismissed": "Synchronization", "Created the integration": "Integrations", "Finished": "Integrations",
    "Edited": "Integrations", "Discarded": "Integrations", "Undid": "Integrations", "Paused": "Integrations",
    "Resumed": "Integrations", "Rotated the token": "Integrations", "Ended the overlap": "Integrations",
    "Removed": "Integrations",
}  # fmt: skip
CHANGED = "audit entries cannot be changed"
REMOVED = "audit entries are removed by retention only"
BACKWARDS = "NEW.head_id < OLD.head_id OR NEW.anchor_id < OLD.anchor_id OR NEW.anchor_id > NEW.head_id"
BEHIND = "OLD.id > coalesce((SELECT max(anchor_id) FROM audit_chain), 0)"
SQLITE = (
    f"CREATE TRIGGER audit_entry_changed BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, '{CHANGED}'); END",
    f"CREATE TRIGGER audit_entry_removed BEFORE DELETE ON audit_entry WHEN {BEHIND} BEGIN SELECT RAISE(ABORT, '{REMOVED}'); END",
    f"CREATE TRIGGER audit_chain_changed BEFORE UPDATE ON audit_chain WHEN {BACKWARDS} BEGIN SELECT RAISE(ABORT, '{CHANGED}'); END",
    f"CREATE TRIGGER audit_chain_removed BEFORE DELETE ON audit_chain BEGIN SELECT RAISE(ABORT, '{REMOVED}'); END",
)
POSTGRESQL = (
    f"CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION '{CHANGED}'; END$$",
    f"CREATE FUNCTION refuse_audit_removal() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF {BEHIND} THEN RAISE EXCEPTION '{REMOVED}'; END IF; RETURN OLD; END$$",
    "CREATE TRIGGER audit_entry_changed BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER audit_entry_removed BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_audit_removal()",
    "CREATE TRIGGER audit_entry_emptied BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION refuse_audit_change()",
    f"CREATE TRIGGER audit_chain_changed BEFORE UPDATE ON audit_chain FOR EACH ROW WHEN ({BACKWARDS}) EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER audit_chain_removed BEFORE DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER audit_chain_emptied BEFORE TRUNCATE ON audit_chain EXECUTE FUNCTION refuse_audit_change()",
)


def upgrade() -> None:
    for name, (length, default) in TEXTS.items():
        op.add_column(
            "audit_entry", sa.Column(name, sa.String(length), nullable=False, server_default=default)
        )
    op.create_index("ix_audit_entry_module_id", "audit_entry", ["module", "id"])
    op.create_index("ix_audit_entry_severity_id", "audit_entry", ["severity", "id"])
    op.create_table(
        "audit_chain",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("head_id", INTEGER, nullable=False, server_default="0"),
        sa.Column("head_hash", sa.String(64), nullable=False),
        sa.Column("anchor_id", INTEGER, nullable=False, server_default="0"),
        sa.Column("anchor_hash", sa.String(64), nullable=False),
        sa.Column("anchor_at", sa.DateTime(), nullable=True),
        sa.Column("verified_at", sa.DateTime(), nullable=True),
        sa.Column("verified_entries", INTEGER, nullable=False, server_default="0"),
        sa.Column("problem", sa.String(256), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_audit_chain"),
    )
    connection = op.get_bind()
    _chain(connection)
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement.replace(":", "\\:")))


def _chain(connection: sa.Connection) -> None:
    """Give every entry its place and its hash, the oldest first."""
    table = sa.Table("audit_entry", sa.MetaData(), autoload_with=connection)
    last, former = 0, GENESIS
    query = sa.select(table).order_by(table.c.id).limit(1000)
    while rows := connection.execute(query.where(table.c.id > last)).mappings().all():
        for row in rows:
            values = _chained(dict(row), former)
            last, former = row["id"], values["hash"]
            connection.execute(sa.update(table).where(table.c.id == last).values(values))
    connection.execute(
        sa.text(
            "INSERT INTO audit_chain (id, head_id, head_hash, anchor_hash) VALUES (1, :id, :head, :anchor)"
        ),
        {"id": last, "head": former, "anchor": GENESIS},
    )


def _chained(row: dict[str, Any], former: str) -> dict[str, Any]:
    module = next((name for words, name in MODULES.items() if row["what"].startswith(words)), "Other")
    row |= {"module": module, "former_hash": former}
    plain = {name: row[name] for name in HASHED} | {"at": row["at"].strftime("%Y-%m-%dT%H:%M:%S.%f")}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    search = " ".join(filter(None, (row["who"], row["what"], row["integration_name"], row["detail"])))
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return {"module": module, "former_hash": former, "hash": hashed, "search_text": search.casefold()}


def downgrade() -> None:
    connection = op.get_bind()
    names = [statement.split()[2] for statement in SQLITE]
    if connection.dialect.name == "sqlite":
        for name in names:
            op.execute(f"DROP TRIGGER {name}")
    else:
        op.execute("DROP FUNCTION refuse_audit_change() CASCADE")
        op.execute("DROP FUNCTION refuse_audit_removal() CASCADE")
    op.drop_table("audit_chain")
    with op.batch_alter_table("audit_entry") as batch:
        batch.drop_index("ix_audit_entry_module_id")
        batch.drop_index("ix_audit_entry_severity_id")
        for name in TEXTS:
            batch.drop_column(name)
