"""`make demo` (rung M): the whole product on data that is gone when it stops."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.processes.product import DEMO, kill, running, signed_in
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
