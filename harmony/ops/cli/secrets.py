"""`flask secrets rotate`: seal the stored secrets under the newest key."""

from __future__ import annotations

import click
from flask import Flask

from harmony.audit import COMMAND_LINE, audit
from harmony.clock import now
from harmony.db import write
from harmony.ops.cli import commands
from harmony.setup import rotation

_group = commands.group("secrets", help="Encrypt the stored secrets with a new key.")


def register(app: Flask) -> None:
    """Offer the commands."""
    app.cli.add_command(_group)


@_group.command("rotate")
@click.option("--dry-run", is_flag=True, help="Only count.")
def rotate(dry_run: bool) -> None:
    """Seal every stored secret under the first of HARMONY_VAULT_KEYS. Running it again goes on."""
    done = rotation.rotate(dry_run)
    verb = "would be sealed" if dry_run else "were sealed"
    counts = f"{done.renewed} {verb} anew, {done.current} were current, {done.locked} cannot be opened."
    if not dry_run:
        with write() as session:
            audit(session, COMMAND_LINE, "Rotated the secrets", now(), detail=counts)
    click.echo(counts)
    if done.locked:
        raise click.ClickException("Put the key that sealed them behind the newest one, or enter them again.")
