"""`make demo`'s simulated Protect apps: they wait for the first sync, then live by themselves."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from harmony import create_app, logs
from harmony.clock import now
from harmony.config import Settings, current_settings
from harmony.db import db, release, write
from harmony.models import Integration, Registration
from harmony.ops import simulate
from harmony.protection.record import record_contacts
from harmony.simulator.agents.fleet import Pace
from harmony.web.demo.simulated_devices import Candidate, NothingToSimulate, agents_for, candidates
from harmony.worker.child_process import leave_with_parent

_BY = "demo"
_LOOK_EVERY_SECONDS = 2.0
FIRST_ROUND, FROM_THEN_ON = Pace(seconds=0.0), Pace(every=30.0)
# One device of so many was last heard of long ago: nobody watches a demo until one falls silent by itself.
SILENT_EVERY, SILENT_SINCE = 15, timedelta(days=30)


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait quietly until there are devices; then simulate until told to stop."""
    options = _options(arguments)
    settings = Settings.from_environment(os.environ)
    logs.configure(settings.log_level, settings.log_format)
    stop = simulate.stopped_by_signal()
    leave_with_parent()
    app = create_app(settings)
    while not (found := _devices(app, options.devices)):
        if stop.wait(_LOOK_EVERY_SECONDS):
            return 0
    _live(app, found, options.seed, stop)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harmony.ops.demo_agents", description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def _devices(app: Flask, most: int) -> list[Candidate]:
    """Return devices to simulate, once a whole sync has brought them; empty until then."""
    with app.app_context():
        try:
            synced = db.session.scalar(select(Integration.id).where(Integration.snapshots > 0).limit(1))
            release()
            return candidates(most) if synced else []
        except (NothingToSimulate, SQLAlchemyError):  # paused, or the database is busy: look again
            return []


def _live(app: Flask, found: list[Candidate], seed: int, stop: threading.Event) -> None:
    """Register all devices and check them in; then silence some, and go on with the others."""
    address = simulate.own_address(current_settings(app))
    silent = {device.device_id for device in found[SILENT_EVERY - 1 :: SILENT_EVERY]}
    with app.app_context():
        agents = agents_for(found, _BY, now())
    _say(f"{len(agents)} simulated Protect apps register.")
    _, lines = simulate.run(address, agents, seed, FIRST_ROUND, stop)
    _say(*lines)
    with app.app_context():
        fall_silent(silent)
    living = [agent for agent in agents if agent.device_id not in silent]
    simulate.run(address, living, seed, FROM_THEN_ON, stop)


def fall_silent(device_ids: set[int]) -> None:
    """Set their last contact back; the worker's sweep finds them silent, as it would in 30 days."""
    past = now() - SILENT_SINCE
    with write() as session:
        registrations = update(Registration).where(Registration.device_id.in_(device_ids))
        session.execute(registrations.values(last_contact_at=past))
        record_contacts(session, [(device_id, past) for device_id in device_ids])


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
