"""One simulated Protect app: registers, checks in, unregisters; whatever carries its calls is given to it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from harmony.simulator.agents.records import CLIENT_VERSION, Handset, Report, Standing, standing_of
from harmony.simulator.agents.wire import Send, call


@dataclass(slots=True)
class Agent:
    """`key` is its device key, "" while it is not registered."""

    handset: Handset
    key: str = field(default="", repr=False)
    # What the dashboard calls the device; 0 until it has said so.
    device_id: int = 0
    # Made once for a registration and said again at every try, so that one that got lost counts once.
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def register(self, send: Send, report: Report) -> Standing:
        """Ask for a device key; of `report` only the versions are told. Raises Refused, Unreachable."""
        handset = self.handset
        secret = {"code": handset.code} if handset.code else {"token": handset.token}
        body = {
            "udid": handset.udid, "profile": handset.profile, "platform": handset.platform,
            "model": handset.model, "os_version": report.os_version, "client_version": report.client_version,
            "serial": handset.serial, "request_id": self.request_id,
        }  # fmt: skip
        if handset.device_key:
            body["device_key"] = handset.device_key
        answer = call(send, "register", secret | body)
        self.key, self.device_id = str(answer["device_key"]), int(answer["device_id"])
        self.request_id = str(uuid.uuid4())
        return standing_of(answer)

    def check_in(self, send: Send, report: Report) -> Standing:
        """Tell everything that is open now. Raises Refused, Unreachable."""
        body: dict[str, object] = {
            "findings": [threat._asdict() for threat in report.threats],
            "os_version": report.os_version,
            "client_version": report.client_version or CLIENT_VERSION,
        }
        if report.apps is not None and self.handset.platform == "android":
            body["apps"] = [app._asdict() for app in report.apps]
        return standing_of(call(send, "check-in", body, self.key))

    def unregister(self, send: Send) -> None:
        """Give the key back. Raises Refused, Unreachable."""
        call(send, "unregister", {}, self.key)
        self.key = ""
