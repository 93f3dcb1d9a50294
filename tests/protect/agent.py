"""A Protect app for tests: it registers and checks in over HTTP, with nothing but what the API tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from harmony.db import db, write
from harmony.device_ids import udid_key
from harmony.models import Device, SetupPage
from harmony.models.configuration import DEPLOYMENT, ChosenGroup, Deployment, Synchronization, to_row
from harmony.security.credentials import bound_to
from harmony.security.vault import vault
from tests.builders import an_integration
from tests.canaries import watch
from tests.stored import store

TOKEN = "hmtoken_of-the-tests"
# The devices of the tests are in a group for Android Enterprise: two Protect apps are expected on each.
ENTERPRISE = Synchronization(
    groups=(ChosenGroup(kind="organization", external_id="570", name="Acme", android_enterprise=True),)
)
watch(TOKEN)


def an_open_integration(
    devices: int = 1, *, auto_addition: bool = False, token: str = TOKEN, **changes: Any
) -> int:
    """An integration whose dashboard token is `token`, with devices UDID0, UDID1, …"""
    id_ = an_integration(**changes)
    store(id_, devices)
    sealed = vault().seal(token, bound_to(id_, "token"))
    row = to_row(Deployment(auto_addition=auto_addition, token=sealed))
    with write() as session:
        page = session.get_one(SetupPage, (id_, DEPLOYMENT))
        page.draft = page.applied = row
    return id_


def device_of(udid: str, integration_id: int | None = None) -> Device:
    """The row of that UDID."""
    db.session.rollback()
    mine = select(Device).where(Device.udid_key == udid_key(udid))
    if integration_id is not None:
        mine = mine.where(Device.integration_id == integration_id)
    return db.session.scalars(mine.order_by(Device.id.desc())).all()[0]


@dataclass
class Agent:
    """One app; `key` is what the dashboard gave it."""

    client: FlaskClient
    udid: str = "UDID0"
    key: str = ""
    said: dict[str, Any] = field(default_factory=dict)

    def register(self, **changes: Any) -> TestResponse:
        """Ask with a request of its own; None leaves a field out."""
        usual = {"token": TOKEN, "udid": self.udid, "platform": "android", "request_id": str(uuid4())}
        self.said = {name: value for name, value in (usual | changes).items() if value is not None}
        return self._ask_again()

    def repeat(self) -> TestResponse:
        """The same request once more."""
        return self._ask_again()

    def check_in(self, *codes: str, **changes: Any) -> TestResponse:
        """Report that these threat factors are open."""
        body = {"findings": [{"code": code} for code in codes]} | changes
        return self.client.post("/protect/v1/check-in", json=body, headers=self.headers)

    def unregister(self) -> TestResponse:
        return self.client.post("/protect/v1/unregister", headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def _ask_again(self) -> TestResponse:
        answer = self.client.post("/protect/v1/register", json=self.said)
        if answer.status_code == 201:
            self.key = answer.json["device_key"]
        return answer


def refusal(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of a refusal."""
    assert answer.json is not None
    assert set(answer.json) == {"error", "message"}
    return answer.status_code, answer.json["error"]
