"""The device in a visitor's hand: what it is and what is wrong with it, sealed into a cookie of its own.

Only this browser holds it, as only a phone holds its device key; a table would be one more place for keys.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping

import msgspec
from flask import current_app, g, request
from werkzeug.test import Client
from werkzeug.wrappers import Response

from harmony.db import release
from harmony.security.addresses import below_prefix
from harmony.security.vault import VaultLocked, vault
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import ANDROID, CLIENT_VERSION, Handset, Report, Standing, Threat
from harmony.simulator.agents.script import ANDROID_APPS, SUBJECTS, TEST_APP
from harmony.simulator.agents.wire import Answer

COOKIE, PATH = "demo_device", "/demo"


class InHand(msgspec.Struct, frozen=True, kw_only=True):
    """A registered device; `threats` are the codes switched on, `status` and `risk` what it was told last."""

    udid: str
    platform: str
    profile: str
    key: str
    device_id: int
    os_version: str = ""
    client_version: str = CLIENT_VERSION
    threats: tuple[str, ...] = ()
    test_app: bool = False
    status: str = ""
    risk: str = ""

    def __repr__(self) -> str:
        return f"<InHand {self.device_id}>"

    def agent(self) -> Agent:
        """Return its Protect app."""
        return Agent(Handset(self.udid, self.platform, self.profile), self.key, self.device_id)

    def report(self) -> Report:
        """Return what its Protect app has to tell."""
        apps = (*ANDROID_APPS, TEST_APP) if self.test_app else ANDROID_APPS
        return Report(
            threats=tuple(Threat(code, SUBJECTS.get(code, "")) for code in self.threats),
            os_version=self.os_version,
            client_version=self.client_version,
            apps=apps if self.platform == ANDROID else None,
        )

    def told(self, standing: Standing) -> InHand:
        """Return the device with the status and the risk that it was given."""
        return msgspec.structs.replace(self, status=standing.status, risk=standing.risk)


def in_hand_of(agent: Agent) -> InHand:
    """Return a device that has just registered."""
    handset = agent.handset
    return InHand(
        udid=handset.udid,
        platform=handset.platform,
        profile=handset.profile,
        os_version=handset.os_version,
        key=agent.key,
        device_id=agent.device_id,
    )


def in_hand() -> InHand | None:
    """Return the device of this browser and this user; None when there is none, or the cookie is not ours."""
    try:
        opened = vault().open(request.cookies.get(COOKIE, ""), _bound_to())
        return msgspec.json.decode(opened, type=InHand)
    except (VaultLocked, msgspec.DecodeError):
        return None


def keep(response: Response, device: InHand) -> None:
    """Put the device into the hand: the cookie is sealed, no script reads it, and only this page gets it."""
    sealed = vault().seal(msgspec.json.encode(device).decode(), _bound_to())
    response.set_cookie(
        COOKIE, sealed, path=below_prefix(PATH), secure=request.is_secure, httponly=True, samesite="Lax"
    )


def drop(response: Response) -> None:
    """Remove the device from the hand."""
    response.delete_cookie(
        COOKIE, path=below_prefix(PATH), secure=request.is_secure, httponly=True, samesite="Lax"
    )


def send(path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Post to our own application as a device does, through every check that stands before `/protect/v1`.

    In this process: through a socket it would take a second thread of the web server while ours waits, and
    it would need an address that is true behind any proxy. In a context of its own: Flask would let the
    inner request share our `g` and our database session.
    """
    release()
    client = Client(current_app._get_current_object(), use_cookies=False)  # type: ignore[attr-defined]
    ours = {"base_url": request.host_url, "environ_overrides": {"REMOTE_ADDR": request.remote_addr}}
    answer = contextvars.Context().run(client.post, path, headers=dict(headers), data=body, **ours)
    received = {name.lower(): value for name, value in answer.headers.items()}
    return answer.status_code, received, answer.get_data()


def _bound_to() -> str:
    return f"{COOKIE}:{g.user.id}"
