"""The real client with the simulated UEM at the other end of a function call; it keeps what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from requests.structures import CaseInsensitiveDict

from harmony.jobs.uem_client import ClientFactory
from harmony.simulator import application
from harmony.simulator.answers import Call
from harmony.simulator.context import Tenant
from harmony.uem.client import UemClient
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.http.exchange import DirectExchange
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one import client as workspace_one
from harmony.uem.workspace_one.client import WorkspaceOne
from harmony.uem.workspace_one.requests import paged
from tests.sync.model.stage import Stage

URL = "http://127.0.0.1:8443"
POLICY = OutboundPolicy(allow_http=True, allow_loopback=True)
# Two tries: the second one proves that a lie told once is looked at again. No wait is waited.
LIMITS = CallLimits(attempts=2)
ROWS_ON_A_PAGE = 7


@dataclass
class Wire:
    """`tenant` answers; `listed` are the bodies of the device lists since it was emptied."""

    tenant: Tenant | None = None
    listed: list[bytes] = field(default_factory=list)

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every call go to the tenant, with small pages."""
        monkeypatch.setattr(
            DirectExchange,
            "_answer",
            lambda exchange, request, _: self.exchange(exchange.target.address.url + request.path, request),
        )
        monkeypatch.setattr(workspace_one, "paged", partial(paged, size=ROWS_ON_A_PAGE))
        monkeypatch.setattr(workspace_one, "PAGE_SIZE", ROWS_ON_A_PAGE)

    def exchange(self, url: str, request: Request) -> Answer:
        """One call, in the bytes that a socket would carry."""
        assert self.tenant is not None
        prepared = requests.Request(
            request.method,
            url,
            params=dict(request.params),
            data=dict(request.form) if request.form is not None else request.json,
            headers=dict(request.headers),
        ).prepare()
        parts, body = urlsplit(str(prepared.url)), prepared.body or b""
        call = Call(
            str(prepared.method),
            parts.path,
            {key.lower(): value for key, value in parse_qsl(parts.query)},
            {key.lower(): str(value) for key, value in prepared.headers.items()},
            body.encode() if isinstance(body, str) else body,
        )
        answer = application.answer(self.tenant, call)
        if answer.drop or answer.cut is not None:
            raise requests.ConnectionError("The answer was cut off.")
        if call.path.endswith("/devices/search"):
            self.listed.append(answer.body)
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(answer.headers)
        if answer.status != 204:
            headers["content-type"] = answer.content_type
        return Answer(answer.status, headers, answer.body)

    def opener(self, stage: Stage) -> ClientFactory:
        """Open a client for the tenant, whatever the integration's pages say, at the stage's time."""
        times = TimeSource(now=lambda: stage.now, sleep=lambda _: None, random=lambda: 1.0)

        def open_client(*_: Any) -> UemClient:
            assert self.tenant is not None
            account = self.tenant.credentials
            sign_in = OAuth2(f"{URL}/connect/token", account.client_id, account.client_secret)
            return WorkspaceOne(Connection(URL, sign_in, None, POLICY), 1, LIMITS, times)

        return open_client
