"""One timeline of runs and changes, page after page (rung: shell)."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from harmony.audit import audit
from harmony.db import write
from harmony.models import Integration, JobRun
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.web.reading import look

database = on_both
CELL = re.compile(r'data-label="What">\s*(?:<a[^>]*>)?\s*([^<]*?)\s*<')


def run(minutes: int) -> dict[str, object]:
    at = NOON + timedelta(minutes=minutes)
    values = {"started_at": at, "heartbeat_at": at, "finished_at": at, "state": "ok", "fence": 1}
    return values | {"owner": "w", "started_by": "schedule"}


def filled(app: Flask, changes: int) -> int:
    """A refresh at minute 1, an app sync at minute 3, and changes at minutes 0, 2, 4 and so on."""
    with app.app_context():
        id_ = an_integration()
        with write() as session:
            session.add(JobRun(integration_id=id_, kind="devices", sync_kind="delta", version=1, **run(1)))
            session.add(JobRun(integration_id=id_, kind="apps", **run(3)))
            integration = session.get_one(Integration, id_)
            for number in range(changes):
                at = NOON + timedelta(minutes=2 * number)
                audit(session, "kim", f"Change {number}", at, integration)
        return id_


def what(page: str) -> list[str]:
    return CELL.findall(page)


def test_runs_and_changes_stand_in_the_order_of_time(app: Flask, signed_in: FlaskClient) -> None:
    id_ = filled(app, 3)
    wanted = ["Change 2", "App sync", "Change 1", "Refresh", "Change 0"]
    assert what(look(signed_in, f"/integrations/{id_}/timeline")) == wanted
    assert what(look(signed_in, f"/integrations/{id_}")) == wanted
    other = filled(app, 0)
    assert what(look(signed_in, f"/integrations/{other}/timeline")) == ["App sync", "Refresh"]


def test_every_entry_is_on_one_page_and_the_way_back_is_the_same(app: Flask, signed_in: FlaskClient) -> None:
    address: str | None = f"/integrations/{filled(app, 120)}/timeline"
    seen: list[list[str]] = []
    while address:
        page = look(signed_in, address)
        seen.append(what(page))
        following = re.search(r'href="([^"]+)"[^>]*rel="next"', page)
        back = re.search(r'href="([^"]+)"[^>]*rel="prev"', page)
        if back and len(seen) > 1:
            assert what(look(signed_in, back[1].replace("&amp;", "&"))) == seen[-2]
        address = following[1].replace("&amp;", "&") if following else None
    flat = [entry for entries in seen for entry in entries]
    assert len(flat) == len(set(flat)) == 122
    assert [len(entries) for entries in seen] == [50, 50, 22]


def test_nonsense_in_the_address_is_the_first_page(app: Flask, signed_in: FlaskClient) -> None:
    path = f"/integrations/{filled(app, 3)}/timeline"
    for word in ("x", "1", "1.bm90IGEgdGltZQ", "7.MjAyNi0wMS0wMQ"):
        assert len(what(look(signed_in, f"{path}?after={word}"))) == 5
