"""A program that talks to the public API with a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, has_app_context
from werkzeug.test import TestResponse

from harmony.clock import now
from harmony.db import db
from harmony.models import Role
from harmony.security import api_keys
from harmony.security.api_keys import NewApiKey
from tests.canaries import watch

YEAR = timedelta(days=365)


def new_key(role: Role = Role.VIEWER, **changes: Any) -> tuple[int, str]:
    """The id of a new key, and the key; from now on it must never be seen again."""
    key_id, key = api_keys.create(NewApiKey("sales", role, YEAR, **changes), "admin", now())
    watch(key)
    return key_id, key


class Program:
    """Calls the API with one key."""

    def __init__(self, app: Flask, key: str) -> None:
        self.client, self.key = app.test_client(), key

    @classmethod
    def with_role(cls, app: Flask, role: Role = Role.VIEWER, **changes: Any) -> Program:
        """A program with a key of its own."""
        if has_app_context():
            db.session.rollback()  # what it has read would hide the new key
        with app.app_context():
            return cls(app, new_key(role, **changes)[1])

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(f"/api/v1{path}", headers=self._headers(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.client.post(f"/api/v1{path}", json=body, headers=self._headers(headers))

    def read(self, path: str) -> Any:
        """The JSON of an answer that must be one of success."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.json

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.key}"} | named


def problem_of(answer: TestResponse) -> str:
    """The code of a refusal, whose form must be that of RFC 9457."""
    assert answer.mimetype == "application/problem+json", answer.get_data(as_text=True)
    body = answer.json
    assert body is not None
    assert body["status"] == answer.status_code
    assert body["title"].endswith(".")
    return str(body["type"].removeprefix("urn:harmony:problem:"))
