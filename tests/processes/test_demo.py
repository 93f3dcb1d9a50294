"""`make demo` (rung M): the whole product on data that is gone when it stops."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from harmony.clock import now
from harmony.config import Settings
from harmony.db import write
from harmony.models import SetupPage
from harmony.models.configuration import SERVER, to_row
from harmony.ops.demo import free_port
from harmony.protection.sweep import sweep
from harmony.security.credentials import seal_secrets
from harmony.setup.demo import server_details
from harmony.simulator.generate import groups
from tests.agents import give_token
from tests.builders import a_choice, an_integration
from tests.canaries import watch
from tests.processes.product import DEMO, kill, running, signed_in
from tests.processes.tenancy import Tenancy
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

CREDENTIALS = re.compile(r"sign in as (\S+) with the password (\S+)")
SMALL = (*DEMO, "--devices", "300")


def litter(folder: Path) -> list[str]:
    """What is left of the demo in the folder for temporary files."""
    return [file.name for file in folder.glob("harmony-*")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_how_to_sign_in_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "unused", SMALL) as product:
        product.until_ready()
        (found,) = CREDENTIALS.findall(product.text())
        wait_for(lambda: "Simulated Workspace ONE UEM: https://127.0.0.1:" in product.text(), "the UEM")
        with signed_in(product.url(), *found) as browser:
            assert browser.get(f"{product.url()}/integrations/new", timeout=10).ok
        assert litter(tmp_path)
        os.killpg(product.process.pid, number) if number is signal.SIGINT else product.process.terminate()
        assert product.ended() == 0
        assert "Traceback" not in product.text()
    assert litter(tmp_path) == []


def test_a_stop_before_it_is_up_leaves_nothing_either(tmp_path: Path) -> None:
    with running(tmp_path / "unused", SMALL) as product:
        wait_for(lambda: litter(tmp_path), "its folder")
        kill(product.process.pid, signal.SIGTERM)
        product.ended()
        assert "Traceback" not in product.text()
    assert litter(tmp_path) == []


def test_after_the_first_sync_some_devices_have_protect_and_one_fell_silent(tmp_path: Path) -> None:
    # The apps call an address that is known beforehand.
    bind = f"127.0.0.1:{free_port()}"
    with running(tmp_path / "unused", (*SMALL, "--protected", "30"), HARMONY_BIND=bind) as product:
        product.until_ready()
        (folder,) = tmp_path.glob("harmony-demo-*")
        wait_for((folder / "simulator.json").exists, "the simulated UEM")
        tenancy = Tenancy(folder)
        with tenancy.opened():
            connect(tenancy.settings)
        tenancy.request_sync()
        wait_for(lambda: "30 devices registered." in product.text(), "the apps", 60)
        long_ago = "SELECT count(*) FROM protection WHERE last_contact_at < datetime('now', '-20 days')"
        wait_for(lambda: tenancy.ask(long_ago) == [(2,)], "those that were last heard long ago")
        with tenancy.opened():
            sweep(now())
        counted = "SELECT status, count(*) FROM protection GROUP BY status ORDER BY status"
        assert tenancy.ask(counted) == [("active", 28), ("inactive", 2)]
        assert "Failed calls" not in product.text()
        assert tenancy.ask("SELECT state, counts ->> 'skipped' FROM job_run ORDER BY id LIMIT 1") == [
            ("ok", None)
        ]
        assert tenancy.ask("SELECT count(*) FROM protection WHERE risk > 0")[0][0] >= 3


def connect(settings: Settings) -> None:
    """What the wizard does: every group of the simulated UEM, and a token."""
    details = server_details(settings)
    assert details is not None
    watch(details.client_secret)
    assert an_integration(a_choice(*(str(group) for group in groups(1)))) == 1
    give_token(1)
    server = to_row(seal_secrets(1, details))
    with write() as session:
        page = session.get_one(SetupPage, (1, SERVER))
        page.draft = page.applied = server
