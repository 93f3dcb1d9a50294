"""The running product hears of changes from the simulated UEM, also after kill -9 (rungs M and K)."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest

from harmony.clock import now
from harmony.db import db, sqlite_module
from harmony.event_notifications import listeners
from harmony.models import EventListener
from harmony.simulator import changes
from harmony.simulator.notifications import Rule
from harmony.simulator.server import RunningSimulator
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.processes.conftest import Make
from tests.processes.product import Product, kill, running, signed_in
from tests.processes.tenancy import Tenancy
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

LONGER_THAN_ANY_TEST = 600_000


def listening(home: Tenancy) -> Rule:
    """Turn the listener of the only integration on; the rule for it, with the path alone."""
    with home.opened():
        secret = listeners.create(1, ADMINISTRATOR, now())
        assert secret is not None
        path = f"/hooks/ws1/{db.session.get_one(EventListener, 1).address}"
    return Rule(path, secret.user_name, secret.password, active=True)


def connect(uem: RunningSimulator, product: Product, rule: Rule, **knobs: object) -> None:
    """Put the rule into the simulated UEM, whose *Test Connection* succeeds."""
    values = {"user": rule.user, "password": rule.password, "active": True} | knobs
    uem.tenant.notifier.set(Rule(product.url() + rule.url, **values))  # type: ignore[arg-type]
    assert uem.tenant.notifier.test() == 200


def one(home: Tenancy, sql: str, *values: object) -> object:
    rows = home.ask(sql, *values)
    return rows[0][0] if rows else None


def test_what_happens_in_the_uem_is_on_the_page_without_a_scheduled_sync(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home")
    home.sync_unbroken()
    rule = listening(home)
    renamed, moved, gone = list(uem.world.devices)[:3]
    target = next(group for group in uem.world.groups if group != uem.world.devices[moved].group)
    with running(home.folder) as product:
        product.until_ready()
        connect(uem, product, rule, spelling="mixed", doubled=True, reordered=True)
        (added,) = changes.add(uem.world, 1)
        changes.edit(uem.world, [renamed], {"DeviceFriendlyName": "Renamed in the console"})
        changes.move(uem.world, [moved], target)
        changes.remove(uem.world, [gone])
        column = "SELECT {} FROM device WHERE external_id = ?"
        for external_id, name, value in (
            (added, "external_id", str(added)),
            (renamed, "name", "Renamed in the console"),
            (moved, "group_id", str(target)),
            (gone, "absent_why", "event"),
        ):
            sql = column.format(name)
            wait_for(
                lambda sql=sql, id_=external_id, it=value: one(home, sql, str(id_)) == it, f"{name}: {value}"
            )  # type: ignore[misc]
        with signed_in(product.url(), ADMINISTRATOR, PASSWORD) as browser:
            id_ = one(home, column.format("id"), str(renamed))
            page = browser.get(f"{product.url()}/devices/{id_}", timeout=30).text
    assert "Renamed in the console" in page
    assert {run["sync_kind"] for run in home.runs()[1:]} == {"events"}
    assert one(home, "SELECT repeated FROM event_listener") == 4
    assert home.ask("SELECT id FROM device WHERE deleted_at IS NOT NULL") == []
    home.is_sound()


def stopped_between_writes(folder: Path, product: Product) -> bool:
    """Stop the worker, and let it go on if it holds the lock, which would keep everybody else out."""
    kill(product.worker(), signal.SIGSTOP)
    with closing(sqlite_module().connect(folder / "harmony.db", timeout=1, isolation_level=None)) as rows:
        try:
            rows.execute("BEGIN IMMEDIATE")
            rows.execute("ROLLBACK")
        except sqlite_module().OperationalError:
            kill(product.worker(), signal.SIGCONT)
            return False
    return True


def test_an_event_survives_kill_9_before_and_during_the_run_that_it_led_to(
    make: Make, uem: RunningSimulator, tmp_path: Path
) -> None:
    home = make("home")
    home.sync_unbroken()
    rule = listening(home)
    first, second = list(uem.world.devices)[:2]
    with running(home.folder) as product:
        product.until_ready()
        connect(uem, product, rule)
        wait_for(lambda: stopped_between_writes(home.folder, product), "a moment without a write")
        changes.edit(uem.world, [first], {"DeviceFriendlyName": "First"})
        wait_for(lambda: home.ask("SELECT id FROM uem_event"), "the event to be stored")
    assert one(home, "SELECT count(*) FROM uem_event WHERE due_at IS NOT NULL") == 1
    with running(home.folder) as product:
        product.until_ready()
        connect(uem, product, rule)
        name = "SELECT name FROM device WHERE external_id = ?"
        wait_for(lambda: one(home, name, str(first)) == "First", "the event of before the kill")
        wait_for(lambda: "running" not in home.states(), "the end of that run")
        before = len(home.runs())
        uem.tenant.latency_ms = LONGER_THAN_ANY_TEST
        changes.edit(uem.world, [second], {"DeviceFriendlyName": "Second"})
        wait_for(lambda: home.states()[before:] == ["running"], "a run for the event")
        kill(product.worker())
        uem.tenant.latency_ms = 0
        wait_for(
            lambda: one(home, name, str(second)) == "Second", "the event of the run that was killed", 200
        )
    assert "aborted" in home.states()
    home.is_sound()
