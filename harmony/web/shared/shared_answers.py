"""Answers of the parts that pages ask for again and again: kept for all who see the same.

Only while a run is under way in the integration: fifty people who follow a sync cost what one does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import wraps
from threading import Lock
from typing import Any, cast

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import monotonic
from harmony.db import db, release
from harmony.jobs import runs
from harmony.models import JobRun
from harmony.security.principal import current_principal
from harmony.web.shared.compression import share_answer

# Less than the two seconds after which a page asks: the answer is newer than what the page shows.
_KEPT_SECONDS = 1.5
_WAIT_SECONDS = 1.0
# Built once, which takes longer than to run it.
_UNDER_WAY = select(JobRun.id).where(*runs.UNDER_WAY_OF_INTEGRATION)
_EXTENSION = "harmony.shared_answers"

_View = Callable[..., ResponseReturnValue]


class _SharedAnswer:
    """An answer that is being made, or was; `made_at` in monotonic seconds, None until then."""

    def __init__(self) -> None:
        self.future: Future[ResponseReturnValue] = Future()
        self.made_at: float | None = None

    def is_new(self, at: float) -> bool:
        """Tell whether it may be given to somebody who asks now."""
        return self.made_at is None or 0 <= at - self.made_at < _KEPT_SECONDS


class SharedAnswers:
    """The answers that were made last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[Hashable, _SharedAnswer] = {}

    def of(self, key: Hashable, make: Callable[[], ResponseReturnValue]) -> ResponseReturnValue:
        """Return the answer that `make` makes now, or that was made a moment ago.

        Whoever comes while it is made waits for it, or for its error, a second; then they make their own.
        """
        shared, is_first = self._shared(key)
        if is_first:
            return self._made(key, shared, make)
        if not shared.future.done():
            release()  # whoever waits keeps no read of the database open
        try:
            return shared.future.result(_WAIT_SECONDS)
        except TimeoutError:
            return make()

    def _shared(self, key: Hashable) -> tuple[_SharedAnswer, bool]:
        with self._lock:
            at = monotonic()
            self._kept = {known: kept for known, kept in self._kept.items() if kept.is_new(at)}
            is_first = key not in self._kept
            return self._kept.setdefault(key, _SharedAnswer()), is_first

    def _made(
        self, key: Hashable, shared: _SharedAnswer, make: Callable[[], ResponseReturnValue]
    ) -> ResponseReturnValue:
        try:
            answer = make()
        except BaseException as error:
            with self._lock:
                self._kept.pop(key, None)
            shared.future.set_exception(error)
            raise
        shared.made_at = monotonic()
        shared.future.set_result(answer)
        return answer


def init_app(app: Flask) -> None:
    """Give the application its shared answers."""
    app.extensions[_EXTENSION] = SharedAnswers()


def shared_while_running(view: _View) -> _View:
    """Mark a view of a part of an integration's page: HTML that is the same for all with the same rights."""

    @wraps(view)
    def answer(integration_id: int, **named: Any) -> ResponseReturnValue:
        def make() -> ResponseReturnValue:
            return view(integration_id=integration_id, **named)

        running = _running(integration_id)
        if not running:
            return make()
        share_answer()
        key = (request.script_root, request.full_path, running, _rights())
        return cast(SharedAnswers, current_app.extensions[_EXTENSION]).of(key, make)

    return answer


def _running(integration_id: int) -> tuple[int, ...]:
    """Return the runs under way: when one begins or ends, nobody is shown an older answer."""
    return tuple(db.session.scalars(_UNDER_WAY, {"integration_id": integration_id}))


def _rights() -> Hashable:
    principal = current_principal()
    return principal and (principal.role, principal.scope, principal.hides_personal_data)
