"""*Verify*: asks the UEM whether values work, and keeps the answer rung by rung. Changes nothing there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from threading import Thread

from flask import current_app
from sqlalchemy import update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Integration, Verification
from harmony.models.configuration import IN_FORCE, SERVER
from harmony.security.vault import VaultLocked
from harmony.setup.checks import CHECKS, EXPECTED
from harmony.setup.drafts import digest
from harmony.uem.rungs import Rung, RungState

log = logging.getLogger(__name__)

UNEXPECTED = "Verify met an error of its own; the log has the details."


def verify(integration_id: int, subject: str) -> bool:
    """Verify the draft of a page, or `IN_FORCE`, and wait for the end. True when nothing failed.

    Talks to the network and holds no transaction while it does.
    """
    return _carry_out(integration_id, subject, _begin(integration_id, subject))


def start(integration_id: int, subject: str) -> None:
    """The same beside the request: its rungs appear on the page as they finish."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy ends with the request
    begun = _begin(integration_id, subject)

    def work() -> None:
        with app.app_context():
            _carry_out(integration_id, subject, begun)

    Thread(target=work, name=f"verify-{integration_id}", daemon=True).start()


def _carry_out(integration_id: int, subject: str, begun: datetime) -> bool:
    rungs: list[Rung] = []
    for rung in _rungs(integration_id, subject):
        rungs.append(rung)
        _report(integration_id, subject, begun, rungs, finished=False)
    return _report(integration_id, subject, begun, rungs, finished=True)


def _begin(integration_id: int, subject: str) -> datetime:
    moment = now()
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        row = integration.page(SERVER if subject == IN_FORCE else subject)
        values = (row.applied if subject == IN_FORCE else row.draft) if row else None
        said = integration.verification(subject) or Verification(subject=subject)
        said.digest, said.passed = digest(values or {}), False
        said.rungs = [asdict(rung) for rung in _pending(subject)]
        said.started_at, said.finished_at = moment, None
        integration.verifications.append(said)
    return moment


def _rungs(integration_id: int, subject: str) -> Iterator[Rung]:
    integration = db.session.get_one(Integration, integration_id)
    try:
        yield from CHECKS[subject](integration)
    except VaultLocked as locked:
        yield Rung("Stored secrets", RungState.FAILED, None, locked.sentence, locked.advice)
    except Exception:  # Verify must end with a word on the page, whatever went wrong
        log.exception("Verify of integration %d failed.", integration_id)
        yield Rung("Verify", RungState.FAILED, None, UNEXPECTED, "Press Verify again.")


def _report(integration_id: int, subject: str, begun: datetime, rungs: list[Rung], finished: bool) -> bool:
    """Write what is known so far, unless a newer Verify has begun or the integration is gone."""
    passed = finished and all(rung.state in {RungState.OK, RungState.WARNING} for rung in rungs)
    mine = (
        Verification.integration_id == integration_id,
        Verification.subject == subject,
        Verification.started_at == begun,
    )
    shown = rungs if finished else rungs + _pending(subject)[len(rungs) :]
    known = {"rungs": [asdict(rung) for rung in shown], "passed": passed}
    ended = {"finished_at": now()} if finished else {}
    with write() as session:
        session.execute(update(Verification).where(*mine).values(known | ended))
    return passed


def _pending(subject: str) -> list[Rung]:
    return [Rung(name, RungState.PENDING, None, "", None) for name in EXPECTED.get(subject, ())]
