"""`flask --app app users …`: accounts from the command line of the machine."""

from __future__ import annotations

import sys

import click
from flask import Flask

from harmony.audit import COMMAND_LINE, audit
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import write
from harmony.models import Role, User
from harmony.ops.cli import commands
from harmony.security import user_changes
from harmony.security import users as accounts
from harmony.security.factors import methods
from harmony.security.invitations import VALID_FOR

_users = commands.group("users", help="Add, invite, list and disable users, and give them new passwords.")


_ROLES = click.Choice([role.value for role in Role])
_ROLE_HELP = "Viewers read, operators also act on devices and syncs, administrators change everything."


def register(app: Flask) -> None:
    """Offer the commands on the application's command line."""
    app.cli.add_command(_users)


@_users.command("add")
@click.argument("name")
@click.option("--role", type=_ROLES, default=Role.ADMINISTRATOR.value, show_default=True, help=_ROLE_HELP)
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


@_users.command("reset")
@click.argument("name")
def reset(name: str) -> None:
    """Give the user NAME a new password from standard input, and sign them out everywhere."""
    spelled = _user(name).name
    try:
        accounts.set_password(name, _read_password())
    except accounts.UnknownUser:
        raise click.ClickException("There is no user of that name.") from None
    except accounts.UnfitPassword as problem:
        raise click.ClickException(str(problem)) from None
    _note("Reset a password", spelled)
    click.echo("The password is set, and all sessions of that user have ended.")


@_users.command("invite")
@click.argument("name")
@click.option("--role", type=_ROLES, default=Role.VIEWER.value, show_default=True, help=_ROLE_HELP)
def invite(name: str, role: str) -> None:
    """Add the user NAME and print a link, by which they choose a password. Works once, for three days."""
    try:
        _, token = user_changes.invite(name, Role(role), None, COMMAND_LINE, now())
    except accounts.UserExists:
        raise click.ClickException("There is a user of that name already.") from None
    except accounts.UnfitName as problem:
        raise click.ClickException(str(problem)) from None
    server = current_settings().public_url or "https://<your dashboard>"
    click.echo(f"{server}/invitation/{token}")
    click.echo(f"The link works once, for {VALID_FOR.days} days.", err=True)


@_users.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Keep the user NAME from signing in, and end their sessions."""
    user = _user(name)
    try:
        user_changes.disable(user.id, COMMAND_LINE, now())
    except user_changes.LastAdministrator as last:
        raise click.ClickException(last.sentence) from None
    click.echo(f"{user.name} is disabled and signed out everywhere.")


@_users.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let the disabled user NAME sign in again."""
    user = _user(name)
    user_changes.enable(user.id, COMMAND_LINE, now())
    click.echo(f"{user.name} may sign in again.")


@_users.command("list")
def list_users() -> None:
    """Print every user: name, role, number of device groups or all, state."""
    for user in accounts.every():
        groups = "all devices" if user.scope is None else f"{len(user.scope)} device groups"
        state = "disabled" if user.disabled_at else "active" if user.password_hash else "no password"
        click.echo(f"{user.name}\t{user.role}\t{groups}\t{state}")


def _user(name: str) -> User:
    user = accounts.find(name)
    if user is None:
        raise click.ClickException("There is no user of that name.")
    return user


@_users.command("reset-factors")
@click.argument("name")
def reset_factors(name: str) -> None:
    """Remove the second factors of the user NAME, and let the password sign in again."""
    user = accounts.find(name)
    if user is None:
        raise click.ClickException("There is no user of that name.")
    user_id, spelled = user.id, user.name
    with write() as session:
        methods.reset(session, user_id)
        audit(session, COMMAND_LINE, "Removed second factors", now(), detail=spelled)
    click.echo(f"{spelled} signs in with the password alone, and all sessions of that user have ended.")


def _note(what: str, detail: str) -> None:
    with write() as session:
        audit(session, COMMAND_LINE, what, now(), detail=detail)


def _read_password() -> str:
    """Asked for twice without echo at a terminal; one line when something is piped in."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
