"""`flask integrations list` and `flask sync run/preview`: the buttons without a browser."""

from __future__ import annotations

import click
from flask import Flask
from sqlalchemy import select

from harmony.audit import COMMAND_LINE
from harmony.clock import now
from harmony.db import db
from harmony.jobs import lease, runs, server_waits
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.models import Integration, IntegrationState, JobRun, SyncRunState
from harmony.ops.cli import commands
from harmony.security.vault import VaultLocked
from harmony.sync import job as sync_job
from harmony.sync import preview
from harmony.uem.errors import UemError

integrations = commands.group("integrations", help="List integrations; export and apply their settings.")
sync = commands.group("sync", help="Sync devices, or preview a sync.")

_FIGURES = ("added", "updated", "unchanged", "reappeared", "restored", "missing", "deleted", "skipped")


def register(app: Flask) -> None:
    """Offer the commands of `sync`; `configuration` adds to `integrations`, and offers those."""
    app.cli.add_command(sync)


@integrations.command("list")
def list_all() -> None:
    """List the integrations: id, state, name and next sync."""
    rows = select(Integration).where(Integration.state != IntegrationState.HIDDEN).order_by(Integration.id)
    for integration in db.session.scalars(rows):
        next_at = integration.sync_job.next_at
        due = f"{next_at:%Y-%m-%d %H:%M} UTC" if next_at else "not planned"
        click.echo(f"{integration.id}\t{integration.state}\t{integration.name}\tnext sync {due}")


@sync.command("run")
@click.argument("integration_id", type=int)
def run_now(integration_id: int) -> None:
    """Sync INTEGRATION_ID here and now; exits with status 1 unless everything was read."""
    _finished(integration_id)
    if not lease.request(integration_id, JobKind.DEVICES, COMMAND_LINE, now()):
        raise click.ClickException("It is paused or stopped; resume it, or edit Server Details, first.")
    if wait := server_waits.standing(db.session(), integration_id, now()):
        raise click.ClickException(f"{wait.sentence(now())} The sync is requested and starts after that.")
    before = _newest(integration_id)
    sync_job.sync(integration_id)
    done = _newest(integration_id)
    if done is None or (before is not None and done.id == before.id):
        raise click.ClickException("A worker syncs it at this moment; look at the page of the integration.")
    figures = ", ".join(f"{done.count(name):,} {name}" for name in _FIGURES)
    click.echo(f"{SyncRunState(done.state).value}: {figures}. {done.reason} {done.advice}".rstrip())
    if done.state not in GOOD:
        raise SystemExit(1)


@sync.command("preview")
@click.argument("integration_id", type=int)
def look(integration_id: int) -> None:
    """Say what a sync of INTEGRATION_ID would do now; writes nothing."""
    _finished(integration_id)
    try:
        found = preview.preview(integration_id)
    except UemError as error:
        raise click.ClickException(f"{error.sentence} {error.advice or ''}".rstrip()) from None
    except VaultLocked as locked:
        raise click.ClickException(str(locked)) from None
    for group in found.groups:
        click.echo(f"{group.name}: {group.devices:,} devices")
    words = {"deleted": "waiting for approval"} if found.held else {}
    click.echo(", ".join(f"{getattr(found, name):,} {words.get(name, name)}" for name in _FIGURES))
    if found.approved:
        click.echo(f"{found.approved:,} more are deleted, as it was approved.")
    for reason in (*found.held, *filter(None, [found.doubt])):
        click.echo(reason)


def _finished(integration_id: int) -> Integration:
    integration = db.session.get(Integration, integration_id)
    if integration is None or not integration.connected or integration.state == IntegrationState.DRAFT:
        raise click.ClickException("There is no such integration; `integrations list` names them.")
    return integration


def _newest(integration_id: int) -> JobRun | None:
    db.session.rollback()
    return runs.newest(db.session(), integration_id, JobKind.DEVICES)
