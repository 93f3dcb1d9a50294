"""Answers of the parts that pages ask for again and again: one a second for all who see the same.

Only while a run is under way in the integration: fifty people who follow a sync cost what one does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Any, NamedTuple, cast

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import bindparam, select

from harmony.clock import monotonic
from harmony.db import db
from harmony.jobs import runs
from harmony.models import JobRun
from harmony.security.principal import current_principal

_KEPT_SECONDS = 1.0
# Built once, which takes longer than to run it.
_UNDER_WAY = select(JobRun.id).where(JobRun.integration_id == bindparam("integration_id"), runs.UNDER_WAY)
_EXTENSION = "harmony.shared_answers"

View = Callable[..., ResponseReturnValue]


class _SharedAnswer(NamedTuple):
    made_at: float
    answer: ResponseReturnValue


class SharedAnswers:
    """The answers that were made last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[Hashable, _SharedAnswer] = {}

    def of(self, key: Hashable, make: Callable[[], ResponseReturnValue], at: float) -> ResponseReturnValue:
        """Return the answer, made by `make` now or less than a second ago (monotonic seconds)."""
        # Whoever comes while it is made waits for it, instead of making another.
        with self._lock:
            self._kept = {
                known: kept for known, kept in self._kept.items() if 0 <= at - kept.made_at < _KEPT_SECONDS
            }
            if key not in self._kept:
                self._kept[key] = _SharedAnswer(at, make())
            return self._kept[key].answer


def init_app(app: Flask) -> None:
    """Give the application its shared answers."""
    app.extensions[_EXTENSION] = SharedAnswers()


def shared_while_running(view: View) -> View:
    """Mark a view of a part of an integration's page: HTML that is the same for all with the same rights."""

    @wraps(view)
    def answer(integration_id: int, **named: Any) -> ResponseReturnValue:
        def make() -> ResponseReturnValue:
            return view(integration_id=integration_id, **named)

        running = _running(integration_id)
        if not running:
            return make()
        key = (request.script_root, request.full_path, running, _rights())
        return cast(SharedAnswers, current_app.extensions[_EXTENSION]).of(key, make, monotonic())

    return answer


def _running(integration_id: int) -> tuple[int, ...]:
    """Return the runs under way: when one begins or ends, nobody is shown an older answer."""
    return tuple(db.session.scalars(_UNDER_WAY, {"integration_id": integration_id}))


def _rights() -> Hashable:
    principal = current_principal()
    return principal and (principal.role, principal.scope, principal.hides_personal_data)
