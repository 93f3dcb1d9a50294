"""Answers of JSON APIs to what Flask refuses, to a busy database or vault, and to an error of our own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, current_app
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from harmony.db import db
from harmony.security.vault import VaultLocked

_PASSED_ON = frozenset({"Allow", "Retry-After"})
_BUSY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class JsonErrors:
    """The form of one API: `answer` takes a code and the seconds to wait, `by_status` an HTTP status."""

    log: logging.Logger
    answer: Callable[[str, int | None], Response]
    by_status: Callable[[int], str]

    def register(self, blueprint: Blueprint) -> None:
        """Answer the errors of a blueprint in this form."""
        blueprint.register_error_handler(HTTPException, self.answer_http_error)
        for error in (OperationalError, VaultLocked):
            blueprint.register_error_handler(error, self._answer_busy)
        blueprint.register_error_handler(Exception, self._answer_unexpected)

    def answer_http_error(self, error: HTTPException) -> Response:
        """Answer what Flask refuses, in the same form."""
        answer = self.answer(self.by_status(error.code or 500), None)
        for name, value in error.get_headers():
            if name in _PASSED_ON:
                answer.headers[name] = value
        return answer

    def _answer_busy(self, error: Exception) -> Response:
        """Answer that the database or the vault is busy: nothing was half saved, it may be tried again."""
        db.session.rollback()
        self.log.error("A request was turned away: %s", getattr(error, "orig", error))
        return self.answer("unavailable", _BUSY_SECONDS)

    def _answer_unexpected(self, error: Exception) -> Response:
        if current_app.testing:
            raise error
        db.session.rollback()
        self.log.exception("Unexpected error")
        return self.answer("internal", None)
