"""PostgreSQL: the settings of its connections, the lock of writers, and its clock, which all follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import URL, Connection, Engine, event

from harmony import clock

# How long a writer waits for the lock, on either database.
BUSY_TIMEOUT_MS = 30_000
# "One writer at a time": an advisory lock of this number, "Harmony" in ASCII. Who writes rows of one
# integration only shares it, and takes one of these two numbers: ours, and that of the integration.
_WRITER_LOCK = int.from_bytes(b"Harmony")
_INTEGRATION_LOCKS = int.from_bytes(b"Harm")
_SELECT_KNOWN_ROWS = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
# It cannot store this one, and says so with an error; SQLite can.
_NUL, _IN_PLACE_OF_NUL = "\x00", "\N{REPLACEMENT CHARACTER}"
# A network that is cut is noticed within 25 seconds instead of after a quarter of an hour.
_NETWORK = {
    "connect_timeout": 5, "tcp_user_timeout": 20_000,
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip


def network(address: URL) -> dict[str, int]:
    """Return how long a connection waits for an answer; what the address says itself counts."""
    return {name: value for name, value in _NETWORK.items() if name not in address.query}


def prepare(engine: Engine) -> None:
    """Give every connection our settings, and every writing transaction the lock."""
    # Only who uses PostgreSQL loads its driver.
    from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415

    class WithoutNul(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace(_NUL, _IN_PLACE_OF_NUL))

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.adapters.register_dumper(str, WithoutNul)
        connection.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
        # Our statements take milliseconds; to compile one took 75 [measured].
        connection.execute("SET jit = off")
        # The driver reads a time of no other style, which a database or a role may have as its own.
        connection.execute("SET datestyle = 'ISO, MDY'")
        _ask_time(connection)
        connection.commit()

    event.listen(engine, "begin", _take_lock)
    event.listen(engine, "do_executemany", _copy)


def _take_lock(connection: Connection) -> None:
    """Take the lock of a writing transaction.

    Read committed, so that what follows sees all that the writer before us has committed. One that is
    stopped, or whose machine is gone, gives the lock back after a while.
    """
    options = connection.get_execution_options()
    if options.get("write_intent"):
        if (seconds := options.get("write_within")) is not None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(round(seconds * 1000), 1)}")
        connection.exec_driver_sql(
            f"SELECT set_config('idle_in_transaction_session_timeout', '{BUSY_TIMEOUT_MS}', true), "
            f"pg_advisory_xact_lock{_lock_of(options.get('write_of'))}"
        )


def _copy(cursor: Any, statement: str, rows: Iterable[Sequence[Any]], _context: object) -> bool:
    """Send the rows of a COPY; the driver's own way of many rows does not know it. False for others."""
    if not statement.startswith("COPY "):
        return False
    from psycopg import Error  # noqa: PLC0415 - only who uses PostgreSQL loads its driver

    try:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except Error as error:
        # Its text carries the row that could not be written, personal data and all.
        error.args = (error.diag.message_primary or "COPY failed",)
        raise
    return True


def _lock_of(integration_id: int | None) -> str:
    """Return the end of the call that takes the lock of a writer: everybody's, or that of an integration.

    >>> _lock_of(None), _lock_of(7)
    ('(20373342413352569)', '_shared(20373342413352569), pg_advisory_xact_lock(1214345837, 7)')
    """
    if integration_id is None:
        return f"({_WRITER_LOCK})"
    return f"_shared({_WRITER_LOCK}), pg_advisory_xact_lock({_INTEGRATION_LOCKS}, {int(integration_id)})"


def known_rows(connection: Connection, table: str) -> int:
    """Return how many rows a table had when the planner last looked; -1 before it ever has."""
    return int(connection.exec_driver_sql(_SELECT_KNOWN_ROWS, (table,)).scalar_one())


def look_at_clock(engine: Engine) -> None:
    """Ask the database what time it is, so that our clock and its do not drift apart; not on SQLite."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            _ask_time(connection.connection.dbapi_connection)


def _ask_time(connection: Any) -> None:
    before = clock.uptime()
    (database_time,) = connection.execute("SELECT clock_timestamp()").fetchone()
    clock.follow_database(database_time, before, clock.uptime())
