"""Partition the events by month on PostgreSQL; on SQLite nothing changes.

No row is copied: the table that is there becomes the first partition, so that a large one takes an index and two
scans. All of it is one transaction, which an upgrade that dies leaves no trace of.
"""

from __future__ import annotations

from datetime import UTC

from alembic import op

from harmony.models import event_partitions

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

INDEXES = ("device_id", "severity", "vector", "verb", "integration_id")
FORMER, REST = event_partitions.FORMER, event_partitions.REST
OWNERS = ("device", "integration")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    now, newest = connection.exec_driver_sql("SELECT now() AT TIME ZONE 'UTC', max(at) FROM event").one()
    _set_aside(FORMER)
    op.execute(f"CREATE TABLE event (LIKE {FORMER} INCLUDING DEFAULTS) PARTITION BY RANGE (at)")
    _complete("event", "id, at")
    op.execute(f"CREATE TABLE {REST} PARTITION OF event DEFAULT")
    if newest is None:
        op.execute(f"DROP TABLE {FORMER}")
    else:
        end = event_partitions.following(max(now, newest).date().replace(day=1))
        op.execute(f"ALTER TABLE event ATTACH PARTITION {FORMER} FOR VALUES FROM (MINVALUE) TO ('{end}')")
    event_partitions.add_months(connection, now.replace(tzinfo=UTC))


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    _set_aside("event_by_month")
    op.execute("CREATE TABLE event (LIKE event_by_month INCLUDING DEFAULTS)")
    op.execute("INSERT INTO event SELECT * FROM event_by_month")
    _complete("event", "id")
    op.execute("DROP TABLE event_by_month")


def _set_aside(name: str) -> None:
    """Rename the table of events, and what else has a name of its own in the schema."""
    op.execute(f"ALTER TABLE event RENAME TO {name}")
    op.execute(f"ALTER TABLE {name} DROP CONSTRAINT pk_event")
    for column in INDEXES:
        op.execute(f"ALTER INDEX ix_event_{column}_id RENAME TO ix_{name}_{column}_id")


def _complete(name: str, key: str) -> None:
    op.execute(f"ALTER TABLE {name} ADD CONSTRAINT pk_event PRIMARY KEY ({key})")
    op.execute(f"ALTER SEQUENCE event_id_seq OWNED BY {name}.id")
    for owner in OWNERS:
        op.execute(
            f"ALTER TABLE {name} ADD CONSTRAINT fk_event_{owner}_id "
            f"FOREIGN KEY ({owner}_id) REFERENCES {owner} (id) ON DELETE CASCADE"
        )
    for column in INDEXES:
        op.execute(f"CREATE INDEX ix_event_{column}_id ON {name} ({column}, id)")
