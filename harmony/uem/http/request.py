"""One call to a server, before it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harmony.uem.http.response import MAX_BODY


@dataclass(frozen=True, slots=True)
class Request:
    """One call; headers and form may hold secrets and are therefore not part of the repr.

    `repeatable`: whether making it twice does no more than making it once; one that is not is tried again
    only when it surely was not carried out. No answer of more than `largest` bytes is read; with `packed` its
    body is given in gzip, unopened where it came so. `secret_of`: the origin that the secrets in it belong
    to, None without any; nobody else is sent this request.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: bytes | None = field(default=None, repr=False)
    repeatable: bool = True
    largest: int = MAX_BODY
    packed: bool = False
    secret_of: str | None = None
