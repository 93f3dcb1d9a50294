"""`flask audit verify`: the chain of the audit entries, checked at the machine."""

from __future__ import annotations

import click
from flask import Flask

from harmony.audit import verify as audit_trail
from harmony.clock import now
from harmony.ops.cli import commands

_group = commands.group("audit", help="Verify the audit trail.")


def register(app: Flask) -> None:
    """Offer the command."""
    app.cli.add_command(_group)


@_group.command("verify")
def verify() -> None:
    """Check that no audit entry was changed or removed; exits with status 1 if one was."""
    report = audit_trail.verify_and_store(now())
    if report.problem:
        raise click.ClickException(f"The audit trail does not verify. {report.problem}")
    click.echo(f"The audit trail verifies: {report.entries:,} entries. The last hash is {report.last_hash}.")
