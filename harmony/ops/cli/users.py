"""`flask --app app users …`: accounts from the command line of the machine."""

from __future__ import annotations

import sys

import click
from flask import Flask

from harmony.audit import COMMAND_LINE, audit
from harmony.clock import now
from harmony.db import write
from harmony.models.access import Role
from harmony.ops.cli import commands
from harmony.security import users as accounts

users = commands.group("users", help="Add users, and give them new passwords.")


def register(app: Flask) -> None:
    """Offer the commands on the application's command line."""
    app.cli.add_command(users)


@users.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.ADMINISTRATOR.value)
def add(name: str, role: str) -> None:
    """Add the user NAME; the password comes from standard input."""
    try:
        user = accounts.create_user(name, _read_password(), Role(role), now())
    except accounts.UserExists:
        raise click.ClickException("There is a user of that name already.") from None
    except (accounts.UnfitName, accounts.UnfitPassword) as problem:
        raise click.ClickException(str(problem)) from None
    added = f"{user.name} as {user.role}"
    _note("Added a user", added)
    click.echo(f"Added {added}.")


@users.command("reset")
@click.argument("name")
def reset(name: str) -> None:
    """Give the user NAME a new password from standard input, and sign them out everywhere."""
    user = accounts.find(name)
    if user is None:
        raise click.ClickException("There is no user of that name.")
    spelled = user.name
    try:
        accounts.set_password(name, _read_password())
    except accounts.UnknownUser:
        raise click.ClickException("There is no user of that name.") from None
    except accounts.UnfitPassword as problem:
        raise click.ClickException(str(problem)) from None
    _note("Reset a password", spelled)
    click.echo("The password is set, and all sessions of that user have ended.")


def _note(what: str, detail: str) -> None:
    with write() as session:
        audit(session, COMMAND_LINE, what, now(), detail=detail)


def _read_password() -> str:
    """Asked for twice without echo at a terminal; one line when something is piped in."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
