"""What every run goes through (rung: R, on each database): whatever happens, it ends in a word of its own."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from harmony.jobs.heartbeat import Interrupted, LeaseKeeper
from harmony.jobs.lease import LeaseLost
from harmony.jobs.runner import Outcomes, attempt, recording_outcome
from harmony.models import IntegrationState
from harmony.models.configuration import ServerDetails
from harmony.security.vault import VaultLocked
from harmony.uem.client import UemClient
from harmony.uem.errors import Unreachable
from tests.builders import an_integration

pytestmark = pytest.mark.usefixtures("context")

WORDS = Outcomes(
    name="run",
    of_error=lambda _error: "error",
    of_locked=lambda *_: "locked",
    of_database=lambda _sign: "database",
    stopped="stopped",
    paused="paused",
    overtaken="overtaken",
)


class Client:
    closed = False

    def close(self) -> None:
        self.closed = True


def ended(raised: Exception | None, *, stop: bool = False, lost: bool = False, **integration: Any) -> str:
    client = Client()
    work = SimpleNamespace(
        lease=SimpleNamespace(integration_id=an_integration(**integration), run_id=7),
        kind="workspace_one", server=ServerDetails(), should_stop=lambda: stop,
    )  # fmt: skip

    def renew(_session: Session, _moment: datetime) -> None: ...

    def take(_client: UemClient, watch: LeaseKeeper) -> str:
        watch.lost = lost
        if raised is not None:
            raise raised
        return "done"

    end = attempt(work, lambda *_: cast("UemClient", client), renew, take, WORDS)
    assert client.closed
    return end


@pytest.mark.parametrize(
    ("raised", "word"),
    [
        (None, "done"),
        (Unreachable("Nobody answers."), "error"),
        (VaultLocked(), "locked"),
        (Interrupted(), "stopped"),
        (LeaseLost(), "overtaken"),
        (OperationalError("SELECT 1", None, Exception("disk")), "database"),
        (KeyError("a defect of ours"), "database"),
    ],
)
def test_whatever_happens_is_an_end(raised: Exception | None, word: str) -> None:
    assert ended(raised) == word


def test_a_call_that_was_cut_off_says_nothing_of_the_uem() -> None:
    assert ended(Unreachable("Cut off."), stop=True) == "stopped"
    assert ended(Unreachable("Cut off."), lost=True) == "overtaken"


def test_a_lease_that_a_pause_took_is_a_pause() -> None:
    assert ended(LeaseLost(), state=IntegrationState.PAUSED) == "paused"


def test_what_was_done_before_the_stop_came_is_done() -> None:
    assert ended(None, stop=True) == "done"


def test_an_end_that_cannot_be_written_is_left_to_the_reaper(caplog: pytest.LogCaptureFixture) -> None:
    work = cast("Any", SimpleNamespace(lease=SimpleNamespace(integration_id=1, run_id=7)))
    with recording_outcome("app sync", work):
        raise OperationalError("UPDATE job_run", None, Exception("database or disk is full"))
    assert "The end of app sync 7 could not be written: database or disk is full." in caplog.text
