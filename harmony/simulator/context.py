"""What every endpoint is handed: the world and the knobs around it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from harmony import clock
from harmony.simulator.auth import Credentials, Gate
from harmony.simulator.faults import FaultBook
from harmony.simulator.generate import TOP_ID
from harmony.simulator.meter import Meter
from harmony.simulator.notifications import Notifier
from harmony.simulator.switches import Switches
from harmony.simulator.world import World


@dataclass(slots=True)
class Tenant:
    """One simulated tenant. The API account lives in the top group."""

    world: World
    credentials: Credentials = field(default_factory=Credentials)
    switches: Switches = field(default_factory=Switches)
    faults: FaultBook = field(default_factory=FaultBook)
    meter: Meter = field(default_factory=Meter)
    latency_ms: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    gate: Gate = field(init=False)
    notifier: Notifier = field(init=False)
    top: int = TOP_ID

    def __post_init__(self) -> None:
        self.gate = Gate(self.credentials, self.switches)
        self.notifier = Notifier(self.stopping)
        self.world.announce = lambda kind, devices: self.notifier.announce(kind, devices, clock.now())

    def wait(self, milliseconds: int) -> None:
        """Be slow, yet stop at once when the server stops."""
        if milliseconds > 0:
            self.stopping.wait(milliseconds / 1000)
