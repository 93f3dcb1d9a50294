"""*Verify*: asks the UEM whether values work, and keeps the answer rung by rung. Changes nothing there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import Thread

import msgspec
from flask import current_app
from sqlalchemy import update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Integration, Verification
from harmony.models.configuration import IN_FORCE, PREVIEW, SERVER, SYNCHRONIZATION
from harmony.security.vault import VaultLocked
from harmony.setup.checks import CHECKS, EXPECTED, Found
from harmony.setup.drafts import digest
from harmony.setup.tag_preview import TagLook
from harmony.sync import lifecycle
from harmony.sync.preview import Preview
from harmony.uem.verify.checks import Rung, RungState, not_tried

log = logging.getLogger(__name__)

# What nobody could find out yet, such as the apps of a UEM without devices, keeps nobody from going on.
_PASSING = {RungState.OK, RungState.WARNING, RungState.NOT_TRIED}
UNEXPECTED = "Verify met an error of its own; the log has the details."


@dataclass(slots=True)
class _Said:
    """What a Verify has found so far; `preview` is what the page shows more of than rungs."""

    rungs: list[Rung] = field(default_factory=list)
    preview: Preview | TagLook | None = None


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
    said = _Said()
    for found in _rungs(integration_id, subject):
        if isinstance(found, Rung):
            said.rungs.append(found)
        else:
            said.preview = found
        _report(integration_id, subject, begun, said, finished=False)
    reached = {rung.name for rung in said.rungs}
    said.rungs += [not_tried(name) for name in EXPECTED.get(subject, ()) if name not in reached]
    passed = _report(integration_id, subject, begun, said, finished=True)
    if passed and subject == IN_FORCE:
        lifecycle.probe(integration_id, now())
    return passed


def _begin(integration_id: int, subject: str) -> datetime:
    moment = now()
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        page = {IN_FORCE: SERVER, PREVIEW: SYNCHRONIZATION}.get(subject, subject)
        row = integration.page(page)
        values = (row.draft if page == subject else row.applied) if row else None
        said = integration.verification(subject) or Verification(subject=subject)
        said.digest, said.passed, said.preview = digest(values or {}), False, None
        said.rungs = [asdict(rung) for rung in _pending(subject)]
        said.started_at, said.finished_at = moment, None
        integration.verifications.append(said)
    return moment


def _rungs(integration_id: int, subject: str) -> Iterator[Found]:
    integration = db.session.get_one(Integration, integration_id)
    try:
        yield from CHECKS[subject](integration)
    except VaultLocked as locked:
        yield Rung("Stored secrets", RungState.FAILED, None, locked.sentence, locked.advice)
    except Exception:  # Verify must end with a word on the page, whatever went wrong
        log.exception("Verify of integration %d failed.", integration_id)
        yield Rung("Verify", RungState.FAILED, None, UNEXPECTED, "Press Verify again.")


def _report(integration_id: int, subject: str, begun: datetime, said: _Said, finished: bool) -> bool:
    """Write what is known so far, unless a newer Verify has begun or the integration is gone."""
    passed = finished and all(rung.state in _PASSING for rung in said.rungs)
    mine = (
        Verification.integration_id == integration_id,
        Verification.subject == subject,
        Verification.started_at == begun,
    )
    shown = said.rungs if finished else said.rungs + _pending(subject)[len(said.rungs) :]
    known = {"rungs": [asdict(rung) for rung in shown], "passed": passed}
    known["preview"] = msgspec.to_builtins(said.preview) if said.preview else None
    ended = {"finished_at": now()} if finished else {}
    with write() as session:
        session.execute(update(Verification).where(*mine).values(known | ended))
    return passed


def _pending(subject: str) -> list[Rung]:
    return [Rung(name, RungState.PENDING, None, "", None) for name in EXPECTED.get(subject, ())]
