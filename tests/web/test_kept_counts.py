"""How often the devices are counted for browsers that follow a sync. Rungs: pure, shell."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from harmony.models import SyncRunState
from harmony.web.integrations.kept_counts import KeptCounts
from tests.builders import an_integration
from tests.web.test_runs import a_run, statements

COUNT = "SELECT protection.status, count"


def test_what_was_counted_a_moment_ago_is_not_counted_again() -> None:
    kept, asked = KeptCounts(), []

    def count(id_: int) -> dict[str, Any]:
        asked.append(id_)
        return {"devices": len(asked)}

    found = [kept.of(id_, count, at)["devices"] for id_, at in ((1, 10.0), (1, 11.9), (2, 11.9), (1, 12.0))]
    assert (found, asked) == ([1, 1, 2, 3], [1, 2, 1])
    assert kept.of(1, count, 5.0) == {"devices": 4}, "a clock that was set back would keep them for ever"


def test_whoever_comes_while_they_are_counted_waits_for_it() -> None:
    kept, asked = KeptCounts(), []
    counting, all_there = threading.Event(), threading.Event()

    def count(id_: int) -> dict[str, Any]:
        asked.append(id_)
        counting.set()
        assert all_there.wait(20)
        return {}

    threads = [threading.Thread(target=kept.of, args=(1, count, 10.0)) for _ in range(8)]
    threads[0].start()
    assert counting.wait(20)
    for thread in threads[1:]:
        thread.start()
    all_there.set()
    for thread in threads:
        thread.join()
    assert asked == [1]


def counted(app: Flask, client: FlaskClient, id_: int) -> int:
    """How often the status part of an integration counts its devices."""
    with statements(app) as said:
        assert client.get(f"/integrations/{id_}/status").status_code == 200
    return sum(sql.startswith(COUNT) for sql in said)


def test_browsers_that_follow_a_sync_share_the_numbers_and_the_end_is_counted(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = an_integration()
    once = counted(app, signed_in, id_)
    assert once > 0
    assert counted(app, signed_in, id_) == once, "nothing is under way: each answer is exact"
    with app.app_context():
        a_run(id_, state=SyncRunState.RUNNING, finished_at=None)
    assert counted(app, signed_in, id_) == once
    assert counted(app, signed_in, id_) == 0
