"""A caller of the simulator without sockets: what a test says is what the simulator hears."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harmony.simulator import application
from harmony.simulator.answers import Answer, Call
from harmony.simulator.context import Tenant
from harmony.simulator.world import World


class Caller:
    """One tenant and a token for it."""

    def __init__(self, devices: int = 60, **world: Any) -> None:
        self.tenant = Tenant(World(devices, **world))
        self.world = self.tenant.world
        self.credentials = self.tenant.credentials
        self.bearer = ""
        self.sign_in()

    def sign_in(self) -> None:
        mine = self.credentials
        body = f"grant_type=client_credentials&client_id={mine.client_id}&client_secret={mine.client_secret}"
        answer = self.send("POST", "/connect/token", body=body.encode())
        self.bearer = f"Bearer {answer.json()['access_token']}"

    def send(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        parts = urlsplit(url)
        query = {key.lower(): value for key, value in parse_qsl(parts.query)}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return application.answer(self.tenant, Call(method, parts.path, query, named, body))

    def get(self, url: str, version: int | None = None, **headers: str) -> Answer:
        accept = "application/json" + (f";version={version}" if version else "")
        return self.send("GET", url, **{"accept": accept, "authorization": self.bearer} | headers)

    def post(self, url: str, value: Any, **headers: str) -> Answer:
        named = {"accept": "application/json", "authorization": self.bearer} | headers
        return self.send("POST", url, json.dumps(value).encode(), **named)

    def control(self, action: str, **values: Any) -> dict[str, Any]:
        answer = self.send("POST", f"/control/{action}", json.dumps(values).encode())
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    def ids(self, url: str = "/API/mdm/devices/search") -> list[int]:
        """The ids of one page, in its order; a device that hides its id counts as 0."""
        answer = self.get(url, version=2)
        return [int(one.get("Id", {"Value": 0})["Value"]) for one in answer.json()["Devices"]]
