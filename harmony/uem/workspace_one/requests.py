"""From a call of the closed list, its id, its query and its body to a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.workspace_one.endpoints import Call

_T = TypeVar("_T")

PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a call that writes. `expects` is a refusal's status that is an answer all the same.

    `repeatable`: whether the call may be made again when nobody knows what became of it.
    """

    content: Mapping[str, Any]
    expects: int | None = None
    repeatable: bool = True


class Ask(Protocol):
    """`WorkspaceOne.call`."""

    def __call__(
        self,
        call: Call,
        read: Callable[[Answer], _T],
        params: dict[str, str] | None = None,
        numeric_id: str | None = None,
        body: Body | None = None,
    ) -> _T: ...


def request_of(
    call: Call, path: str, params: Mapping[str, str], signed: Mapping[str, str], body: Body | None
) -> Request:
    """Return the request; one that writes names its version in the type of its content too (facts §1.2)."""
    headers = {"Accept": call.accept, **signed}
    if body is None:
        return Request(call.method, path, params, headers, largest=call.value.largest)
    headers["Content-Type"] = call.accept
    sent = json.dumps(body.content).encode()
    return Request(call.method, path, params, headers, json=sent, repeatable=body.repeatable)


def paged(number: int, size: int = PAGE_SIZE) -> dict[str, str]:
    """Return the query for page `number`, counted from 0."""
    return {"page": str(number), "pagesize": str(size)}
