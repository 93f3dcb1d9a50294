"""`flask protect simulate`: simulated Protect apps for devices of this dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

import click
from flask import Flask

from harmony.audit import COMMAND_LINE
from harmony.clock import now
from harmony.config import current_settings
from harmony.ops import simulate as simulation
from harmony.ops.cli import commands
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.configuration import configured, read_configuration
from harmony.simulator.agents.fleet import Pace
from harmony.web.demo.simulated_devices import NothingToSimulate, agents_for, candidates

_group = commands.group("protect", help="Simulate Protect apps, to try Harmony.")


def register(app: Flask) -> None:
    """Offer the commands."""
    app.cli.add_command(_group)


@_group.command("simulate")
@click.option("--devices", type=click.IntRange(1), default=100, show_default=True, help="The most devices.")
@click.option("--seed", default=1, show_default=True, help="Another seed generates other threats.")
@click.option("--minutes", type=click.FloatRange(0), help="End after so long; otherwise with Ctrl+C.")
@click.option("--url", help="The dashboard's address; usually found by itself.")
@click.option(
    "--config",
    type=click.File(encoding="utf-8"),
    help="A file of the page App configuration: address, token and keys are taken from it.",
)
@click.option("--once", is_flag=True, help="Register, check in once, and end.")
def simulate(
    devices: int, seed: int, minutes: float | None, url: str | None, *, config: TextIO | None, once: bool
) -> None:  # fmt: skip
    """Register simulated Protect apps for devices of the active integrations, and check them in.

    A device that already has an app is taken over, with a registration code made for that purpose.
    """
    try:
        values = read_configuration(config.read()) if config else {}
        address = url or values.get("server") or simulation.own_address(current_settings())
        agents = _agents(devices, values)
        click.echo(f"{len(agents):,} simulated Protect apps call {address}. Ctrl+C ends them.")
        pace = Pace(seconds=0.0 if once else None if minutes is None else minutes * 60)
        tally, lines = simulation.run(address, agents, seed, pace, simulation.stopped_by_signal())
    except NothingToSimulate as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo("\n".join(lines))
    if tally.errors:
        raise click.ClickException("Not every call went well.")


def _agents(devices: int, values: Mapping[str, str]) -> list[Agent]:
    """Return agents for so many devices; those of an app configuration know nothing else."""
    found = candidates(devices)
    if values:
        return [Agent(configured(candidate.handset, values)) for candidate in found]
    return agents_for(found, COMMAND_LINE, now())
