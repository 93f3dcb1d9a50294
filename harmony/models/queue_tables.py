"""The tables of the queue on PostgreSQL: Huey's, as its version makes them. No model has any of them.

They are unlogged: what waits in the queue may be lost at any time, and costs no WAL.
"""

from __future__ import annotations

PREFIX = "huey"
TABLES = ("huey_kv", "huey_schedule", "huey_task", "huey_counter")
CREATE = (
    "CREATE UNLOGGED TABLE huey_kv (queue text NOT NULL, key text NOT NULL, value bytea NOT NULL, "
    "PRIMARY KEY (queue, key))",
    "CREATE UNLOGGED TABLE huey_schedule (id bigserial PRIMARY KEY, queue text NOT NULL, "
    "data bytea NOT NULL, timestamp double precision NOT NULL)",
    "CREATE INDEX huey_schedule_queue_timestamp ON huey_schedule (queue, timestamp)",
    "CREATE UNLOGGED TABLE huey_task (id bigserial PRIMARY KEY, queue text NOT NULL, data bytea NOT NULL, "
    "priority double precision NOT NULL DEFAULT 0.0)",
    "CREATE INDEX huey_task_queue_priority_id ON huey_task (queue, priority DESC, id)",
    "CREATE UNLOGGED TABLE huey_counter (queue text NOT NULL, key text NOT NULL, "
    "value bigint NOT NULL DEFAULT 0, PRIMARY KEY (queue, key))",
)


def is_of_queue(name: str | None) -> bool:
    """Tell whether a table or an index is one of the queue's."""
    return name is not None and name.startswith(f"{PREFIX}_")
