"""The links of devices are written beside other integrations, and found by an index (rung: shell)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import db, is_sqlite, release, write
from harmony.models.configuration import Tagging
from harmony.tagging.desired_state import Desire
from harmony.tagging.links import refresh_all
from tests.builders import an_integration
from tests.stored import store

pytestmark = pytest.mark.usefixtures("context")

MANY = 3000


def nothing_more(_session: Session) -> None:
    """The run has no lease to renew."""


def refresh(integration_id: int) -> None:
    refresh_all(
        Desire(integration_id, Tagging(tag_status=True, tag_risk=True, tag_factors=True)), now(), nothing_more
    )


def plan_of_links(integration_id: int) -> str:
    """The plan of the statement that makes links, asked in the transaction in which it runs."""
    rows: list[Any] = []

    def explain(connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if statement.startswith("WITH want") and not rows:
            asking = "EXPLAIN QUERY PLAN" if is_sqlite() else "EXPLAIN"
            rows.extend(connection.exec_driver_sql(f"{asking} {statement}", values).all())

    event.listen(db.engine, "before_cursor_execute", explain)
    try:
        refresh(integration_id)
    finally:
        event.remove(db.engine, "before_cursor_execute", explain)
    return "\n".join(str(row[-1]) for row in rows)


def test_what_a_device_wants_already_is_looked_up_by_index_in_a_table_nobody_has_counted() -> None:
    first, second = an_integration(), an_integration(name="Second")
    store(first, MANY)
    refresh(first)
    store(second, 10)
    with write() as session:
        session.execute(text("ANALYZE device"))
    plan = plan_of_links(second)
    assert "tag_link t" in plan or "SEARCH t USING" in plan
    assert "Seq Scan" not in plan
    assert "SCAN t" not in plan


def test_on_a_server_the_tags_of_an_integration_are_worked_out_while_another_is_written(app: Flask) -> None:
    busy, free = an_integration(), an_integration(name="Free")
    store(free, 10)
    release()
    is_done = threading.Event()

    def tag() -> None:
        with app.app_context():
            refresh(free)
            is_done.set()

    thread = threading.Thread(target=tag)
    with write(busy):
        thread.start()
        assert is_done.wait(0 if is_sqlite() else 30) is not is_sqlite()
    thread.join(30)
    assert is_done.is_set()
