"""*Verify*: run the checks of a page and store each result as soon as it is known."""

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
from harmony.setup.checks import CHECKS, EXPECTED_CHECKS, VerifyOutput
from harmony.setup.drafts import digest
from harmony.setup.tag_preview import TagLook
from harmony.setup.wizard_state import WizardState
from harmony.sync import lifecycle
from harmony.sync.preview import Preview
from harmony.uem.verify.checks import CheckResult, CheckState, not_tried

log = logging.getLogger(__name__)

# A check that found nothing out, such as the apps of a UEM without devices, keeps nobody from going on.
_PASSING = {CheckState.OK, CheckState.WARNING, CheckState.NOT_TRIED}
_UNEXPECTED = "Verify failed because of an error in Harmony; the log has the details."


@dataclass(slots=True)
class _Report:
    """The results of one Verify so far; `preview` is what the page shows besides."""

    results: list[CheckResult] = field(default_factory=list)
    preview: Preview | TagLook | None = None


def verify(integration_id: int, subject: str) -> bool:
    """Verify the draft of a page, or `IN_FORCE`, and wait for the end. Return True when nothing failed.

    Talks to the network and holds no transaction while it does.
    """
    return _carry_out(integration_id, subject, _begin(integration_id, subject))


def start(integration_id: int, subject: str) -> None:
    """Verify beside the request: the results appear on the page as they come."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy ends with the request
    begun = _begin(integration_id, subject)

    def work() -> None:
        with app.app_context():
            _carry_out(integration_id, subject, begun)

    Thread(target=work, name=f"verify-{integration_id}", daemon=True).start()


def _carry_out(integration_id: int, subject: str, begun: datetime) -> bool:
    report = _Report()
    for output in _outputs(integration_id, subject):
        if isinstance(output, CheckResult):
            report.results.append(output)
        else:
            report.preview = output
        _store(integration_id, subject, begun, report, finished=False)
    reached = {result.name for result in report.results}
    report.results += [not_tried(name) for name in EXPECTED_CHECKS.get(subject, ()) if name not in reached]
    passed = _store(integration_id, subject, begun, report, finished=True)
    if passed and subject == IN_FORCE:
        lifecycle.probe(integration_id, now())
    return passed


def _begin(integration_id: int, subject: str) -> datetime:
    begun = now()
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        page = {IN_FORCE: SERVER, PREVIEW: SYNCHRONIZATION}.get(subject, subject)
        row = integration.page(page)
        values = (row.draft if page == subject else row.applied) if row else None
        verification = integration.verification(subject) or Verification(subject=subject)
        verification.digest, verification.passed, verification.preview = digest(values or {}), False, None
        verification.results = [asdict(result) for result in _pending(subject)]
        verification.started_at, verification.finished_at = begun, None
        integration.verifications.append(verification)
    return begun


def _outputs(integration_id: int, subject: str) -> Iterator[VerifyOutput]:
    integration = db.session.get_one(Integration, integration_id)
    try:
        yield from CHECKS[subject](WizardState(integration))
    except VaultLocked as locked:
        yield CheckResult("Stored secrets", CheckState.FAILED, None, locked.sentence, locked.advice)
    except Exception:  # Verify must end with a sentence on the page, whatever went wrong
        log.exception("Verify of integration %d failed.", integration_id)
        yield CheckResult("Verify", CheckState.FAILED, None, _UNEXPECTED, "Press Verify again.")


def _store(integration_id: int, subject: str, begun: datetime, report: _Report, finished: bool) -> bool:
    """Store what is known so far, unless a newer Verify has begun or the integration is gone."""
    passed = finished and all(result.state in _PASSING for result in report.results)
    this_verify = (
        Verification.integration_id == integration_id,
        Verification.subject == subject,
        Verification.started_at == begun,
    )
    pending = [] if finished else _pending(subject)[len(report.results) :]
    values = {
        "results": [asdict(result) for result in report.results + pending],
        "passed": passed,
        "preview": msgspec.to_builtins(report.preview) if report.preview else None,
        "finished_at": now() if finished else None,
    }
    with write() as session:
        session.execute(update(Verification).where(*this_verify).values(values))
    return passed


def _pending(subject: str) -> list[CheckResult]:
    names = EXPECTED_CHECKS.get(subject, ())
    return [CheckResult(name, CheckState.PENDING, None, "", None) for name in names]
