"""Carries one call of a simulated Protect app to the dashboard over a kept-alive connection."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

ANSWER_WITHIN_SECONDS = 30.0
# Where an answer that is not ours was cut, for the sentence of an error.
SHOWN = 200

# Status, headers (their names in small letters) and body.
Answer = tuple[int, Mapping[str, str], bytes]
# Posts a body with these headers to a path.
Send = Callable[[str, Mapping[str, str], bytes], Answer]


class Refused(Exception):
    """The dashboard said no: status, code for the cause, its sentence; seconds to wait, if it named any."""

    def __init__(self, status: int, code: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class Unreachable(Exception):
    """Nobody answered, or not in the words of the contract."""


class Line:
    """One connection to the dashboard; opened when it is needed, and once again when it was closed idle."""

    def __init__(self, url: str) -> None:
        """`url`: http or https, host, perhaps a port and a path. Raises ValueError when it is not that."""
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise ValueError(f"{url} is not an address such as http://127.0.0.1:8000.")
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=ANSWER_WITHIN_SECONDS)
        self._prefix = parts.path.rstrip("/")

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Status, headers and body of one POST. Raises Unreachable.

        Every call says all there is to say, so that it can be sent again when the line was cut.
        """
        for last in (False, True):
            try:
                return self._once(path, headers, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last or isinstance(error, TimeoutError):
                    raise Unreachable(f"The dashboard does not answer ({_words(error)}).") from None
        raise AssertionError("the second try has ended the loop")

    def _once(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self._connection.request("POST", self._prefix + path, body, dict(headers))
        answer = self._connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def call(send: Send, path: str, body: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """Ask `/protect/v1/<path>`; the object of the answer, empty for a 204. Raises Refused, Unreachable."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    status, answered, raw = send(f"/protect/v1/{path}", headers, json.dumps(body).encode())
    if status == 204:
        return {}
    found = _object(status, raw)
    if status in {200, 201}:
        return found
    wait = answered.get("retry-after", "0")
    seconds = float(wait) if wait.isdecimal() else 0.0
    raise Refused(status, str(found.get("error", "")), str(found.get("message", "")), seconds)


def _object(status: int, raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"The answer {status} is not that of a dashboard: {raw[:SHOWN]!r}")
    return found


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
