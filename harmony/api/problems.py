"""PURE: refusals of the public API as RFC 9457 has them: a type, a status, a title, a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# code: (status, title). A code never changes its meaning; a program may rely on it.
PROBLEMS: dict[str, tuple[int, str]] = {
    "parameter": (400, "A parameter of the address is not valid."),
    "cursor": (400, "This cursor is not one that this list gave for these filters."),
    "malformed": (400, "The request could not be understood."),
    "key_unknown": (401, "This API key is not valid."),
    "key_expired": (401, "This API key has expired. Create a new one."),
    "key_revoked": (401, "This API key was revoked."),
    "key_disabled": (401, "The user whose API key this is was disabled."),
    "not_permitted": (403, "This API key may not do that."),
    "personal_data": (403, "This API key does not see personal data, so it cannot search or sort by it."),
    "refused": (403, "This request came from a page of another site, so nothing was done."),
    "not_found": (404, "There is nothing at this address, or this API key does not see it."),
    "not_allowed": (405, "This address does not answer this kind of request."),
    "not_possible": (409, "This cannot be done now."),
    "list_changed": (409, "The list has changed since it was read, so nothing was approved."),
    "in_progress": (409, "A request with this Idempotency-Key is under way."),
    "too_large": (413, "The body is too large."),
    "not_json": (415, "The body must be sent as application/json."),
    "invalid": (422, "A value of the body is not valid."),
    "key_reused": (422, "This Idempotency-Key was used for another request."),
    "too_many": (429, "This was tried too often. Wait, then try again."),
    "internal": (500, "Harmony ran into an internal error. Nothing was half saved."),
    "unavailable": (503, "Harmony cannot do this now. Try again in a moment."),
}
# What the server itself refuses, before any of our code is asked.
_BY_STATUS = {
    403: "refused", 404: "not_found", 405: "not_allowed", 413: "too_large", 415: "not_json", 429: "too_many",
    503: "unavailable",
}  # fmt: skip


class Complaint(NamedTuple):
    """A parameter or a field that is not valid, and why."""

    name: str
    detail: str


class ApiProblem(Exception):
    """A refusal; `detail` is a sentence for a person, `retry_after` in seconds where waiting helps."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        complaints: Sequence[Complaint] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.detail = detail
        self.complaints = complaints
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, object]:
        """Return it as JSON has it."""
        type_ = f"urn:harmony:problem:{self.code}"
        body: dict[str, object] = {"type": type_, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.complaints:
            body["errors"] = [complaint._asdict() for complaint in self.complaints]
        return body


def by_status(status: int) -> str:
    """Return the code for an HTTP status; for any other `malformed` or `internal`."""
    return _BY_STATUS.get(status, "internal" if status >= 500 else "malformed")
