"""429 and the daily quota in the way of a whole sync; nothing here waits. Rung S: sockets and TLS."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from flask import current_app

from harmony.clock import now
from harmony.models import SyncRunState
from harmony.simulator.context import Tenant
from harmony.uem.http import rate_limit
from harmony.web.integrations import overview
from tests.faults.faulty import http
from tests.faults.fleet import full, page, refusal
from tests.faults.scene import Scene, epoch

FAILED, INCOMPLETE, OK = SyncRunState.FAILED, SyncRunState.INCOMPLETE, SyncRunState.OK
NO_MORE = "The UEM allows no more calls for now (status 429)."
SHARED = "The quota is shared with your other integrations"
BLOCKED = http(
    b"<html>Slow down</html>", "429 Too Many Requests", "Content-Type: text/html", "Retry-After: 7"
)
OWN = [1.0, 2.0, 4.0]


def limited(*headers: str) -> bytes:
    return refusal("429 Too Many Requests", 429, *headers)


def due_in(scene: Scene) -> timedelta:
    due = scene.integration().sync_job.next_at
    assert due is not None
    return due - now()


@pytest.mark.parametrize(("value", "waits"), [("7", [7.0]), ("0", [1.0]), ("-5", [1.0]), ("soon", [1.0])])
def test_row_24_a_wait_that_is_asked_for_is_kept_and_rubbish_is_not(
    scene: Scene, value: str, waits: list[float]
) -> None:
    scene.fetchers = 1
    scene.learn()
    scene.fleet.break_with({"page 0": [limited(f"Retry-After: {value}"), None]})
    scene.suffer(OK, "")
    assert scene.slept == waits


def test_row_24_the_wait_may_be_a_date(scene: Scene) -> None:
    scene.learn()
    until = format_datetime(now() + timedelta(seconds=90), usegmt=True)
    scene.fleet.break_with({"page 0": [limited(f"Retry-After: {until}"), None]})
    scene.suffer(OK, "")
    # Less by what the run took to get there; without the date it would wait a few seconds.
    # Whoever else wants to call meanwhile waits for what is left of it, which may be nothing by then.
    assert 30 < max(scene.slept) <= 90


def test_row_24_a_wait_beyond_all_patience_ends_the_run_and_is_kept_for_at_most_a_day(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"page 1": [limited("Retry-After: 1000000000")]})
    scene.suffer(INCOMPLETE, NO_MORE)
    assert scene.slept == []
    assert timedelta(hours=23, minutes=59) < due_in(scene) <= timedelta(hours=24)


def test_row_25_a_web_page_with_429_may_come_from_a_proxy_and_is_waited_for(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"page 1": [BLOCKED] * 4})
    done = scene.suffer(INCOMPLETE, "A web page came with status 429, not an answer of the API")
    assert "or a proxy or firewall in front of it limits them" in done.reason
    # Whoever else wants to call meanwhile waits for what is left of it.
    assert [wait for wait in scene.slept if wait == 7.0] == [7.0, 7.0, 7.0]


def test_row_25_a_429_for_ever_ends_after_four_tries(scene: Scene, tenant: Tenant) -> None:
    scene.fetchers = 1
    scene.learn()
    tenant.switches.set("retry_after", "")
    tenant.faults.add("throttled", path="devices/search", page=1)
    scene.suffer(INCOMPLETE, SHARED)
    assert scene.slept == OWN
    tenant.faults.clear()
    scene.recover()


@pytest.mark.parametrize(
    ("reset_in", "soonest", "latest"),
    [
        (timedelta(minutes=20), timedelta(minutes=19, seconds=59), timedelta(hours=1)),
        (timedelta(hours=5), timedelta(hours=4, minutes=59), timedelta(hours=5)),
        (timedelta(days=30), timedelta(hours=23, minutes=59), timedelta(hours=24)),
    ],
)
def test_row_25_a_quota_used_up_waits_for_its_reset_and_at_most_a_day(
    scene: Scene, reset_in: timedelta, soonest: timedelta, latest: timedelta
) -> None:
    scene.learn()
    told = (
        "x-ratelimit-limit: 1000",
        "x-ratelimit-remaining: 0",
        f"x-ratelimit-reset: {epoch(now() + reset_in)}",
    )
    scene.fleet.break_with({"page 1": [limited(*told)]})
    scene.suffer(INCOMPLETE, SHARED)
    assert scene.slept == [], "no patience of ours outlasts a daily quota"
    assert soonest < due_in(scene) <= latest


def test_row_25_the_last_call_of_the_quota_ends_the_run_before_another_is_sent(
    scene: Scene, tenant: Tenant
) -> None:
    scene.fetchers = 1
    scene.learn()
    tenant.meter.leave(250_000, 7, 7 * 3600)
    scene.suffer(INCOMPLETE, "The UEM's quota of 250000 calls is used up until")
    assert timedelta(hours=6, minutes=59) < due_in(scene) <= timedelta(hours=7)
    tenant.meter.leave(250_000, 250_000, 86_400)
    rate_limit.reset()  # another worker; the one that was told would wait a while before it believed a raise
    scene.recover()


def test_row_25_little_quota_is_a_warning_on_the_page(scene: Scene, tenant: Tenant) -> None:
    tenant.meter.leave(250_000, 20_000, 3600)
    scene.learn()
    with current_app.test_request_context():
        shown = overview.page(scene.integration(), now())["attention"]
    assert [one.text[:10] for one in shown] == ["Only 19,99"]


def test_row_25_a_limit_per_minute_with_quota_left_backs_off(scene: Scene) -> None:
    scene.fetchers = 1
    scene.learn()
    told = limited(
        "x-ratelimit-limit: 1000", "x-ratelimit-remaining: 500", f"x-ratelimit-reset: {epoch(now()) + 9999}"
    )
    scene.fleet.break_with({"page 0": [told, told, page(*full(0))]})
    scene.suffer(OK, "")
    assert scene.slept == [1.0, 2.0]
