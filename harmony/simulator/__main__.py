"""`python -m harmony.simulator`: the simulated UEM as a process of its own."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import tempfile
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from harmony.simulator import certificate
from harmony.simulator.actions import set_fault
from harmony.simulator.arguments import Arguments
from harmony.simulator.context import Tenant
from harmony.simulator.records import DECODE, ENCODE
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.switches import Switches
from harmony.simulator.world import EPOCH, World


def main(arguments: list[str] | None = None) -> int:
    """Make the world, serve it, say where, and stop when told."""
    asked = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if asked.lifeline:
        threading.Thread(target=_hold_lifeline, args=(stopped,), daemon=True).start()
    world = World(asked.devices, asked.seed, quirks=not asked.no_quirks, epoch=asked.epoch)
    tenant = Tenant(world)
    for name, value in asked.switch:
        tenant.switches.set(name, value)
    for fault in asked.fault:
        set_fault(tenant, fault)
    running = start(world, asked.port, tenant=tenant, key=asked.key, older_tls=asked.older_tls)
    # A hundred thousand devices live as long as the process: the collector need not walk them.
    gc.freeze()
    if asked.announce:
        announce(running, asked.announce)
    sys.stdout.write(f"Simulated Workspace ONE UEM: {running.url} (control page: {running.url}/control)\n")
    sys.stdout.flush()
    stopped.wait()
    running.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harmony.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--epoch", type=_moment, default=EPOCH, help="the moment the newest LastSeen is made from"
    )
    _add_knobs(parser)
    parser.add_argument("--announce", type=Path, metavar="FILE", help="write address and credentials here")
    parser.add_argument("--lifeline", action="store_true", help="stop when standard input ends")
    return parser


def _add_knobs(parser: argparse.ArgumentParser) -> None:
    """Add what makes another UEM of it."""
    parser.add_argument(
        "--no-quirks",
        action="store_true",
        help="no missing or hostile values: clients that expect an Id, always as a number, need this",
    )
    parser.add_argument(
        *("--switch", "-s"),
        type=_switch,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="turn one of the switches of the control page, as often as needed",
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="JSON",
        help='a fault or lie from the start, as the control page takes it: {"kind": "throttled", "after": 9}',
    )
    parser.add_argument("--key", choices=(certificate.EC, certificate.RSA), default=certificate.EC)
    parser.add_argument("--older-tls", action="store_true", help="TLS 1.2 with the suites of older servers")


def _switch(text: str) -> tuple[str, str]:
    """A name and a position that the switches take."""
    name, _, value = text.partition("=")
    try:
        Switches().set(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, value


def _fault(text: str) -> Arguments:
    """A fault that the simulator knows, as a JSON object."""
    try:
        found = Arguments(DECODE(text))
        set_fault(Tenant(World(0)), found)
    except (ValueError, AttributeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return found


def _moment(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _hold_lifeline(stopped: threading.Event) -> None:
    """Read the pipe below Python's buffers, whose lock would trip the interpreter's end."""
    while os.read(0, 4096):
        pass
    stopped.set()


def announce(running: RunningSimulator, path: Path) -> None:
    """Write address and credentials for this user alone, whole or not at all."""
    found = {"url": running.url, "token_url": running.token_url, "ca_pem": running.ca_pem}
    found |= asdict(running.credentials) | {"control_url": f"{running.url}/control"}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(ENCODE(found))
    Path(name).replace(path)


if __name__ == "__main__":
    sys.exit(main())
