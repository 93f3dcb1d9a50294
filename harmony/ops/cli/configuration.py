"""`flask integrations export/plan/apply`: the settings as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from flask import Flask
from sqlalchemy import select

from harmony import atomic_file
from harmony.config import current_settings
from harmony.db import db
from harmony.models import Integration
from harmony.ops.cli.sync import integrations
from harmony.ops.configuration_file import apply as file_apply
from harmony.ops.configuration_file import messages
from harmony.ops.configuration_file import plan as file_plan
from harmony.ops.configuration_file.download import FINISHED
from harmony.ops.configuration_file.export import Exported, write_yaml
from harmony.ops.configuration_file.problems import FileRefused
from harmony.ops.configuration_file.schema import Document, parse
from harmony.protection import policy

_A_FILE = click.Path(path_type=Path, dir_okay=False)

_CHANGES = 2


def register(app: Flask) -> None:
    """Offer the commands, with `integrations list`."""
    app.cli.add_command(integrations)


@integrations.command("export")
@click.argument("ids", type=int, nargs=-1)
@click.option("--out", type=_A_FILE, help="Write to this file instead of the output.")
def export(ids: Sequence[int], out: Path | None) -> None:
    """Write the settings in force as YAML, of all finished integrations or of those with IDS."""
    rows = _chosen(ids)
    _, record = policy.in_force(db.session())
    exported = [Exported(row.id, row.in_force) for row in rows]
    text = write_yaml(exported, record, current_settings(), messages.section())
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        atomic_file.replace(out, text)
    except OSError as error:
        raise click.ClickException(f"{out} could not be written ({error}).") from None
    click.echo(f"{len(rows)} integrations are in {out}.")


@integrations.command("plan")
@click.argument("file", type=_A_FILE)
def plan(file: Path) -> None:
    """Say what `apply` would change. Exits with 0 for nothing, 2 for changes, 1 for an error."""
    try:
        found = file_plan.plan(_read(file), current_settings())
    except FileRefused as refused:
        raise click.ClickException(str(refused)) from None
    _print(found)
    if found.changes:
        raise SystemExit(_CHANGES)


@integrations.command("apply")
@click.argument("file", type=_A_FILE)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--leave-tags", is_flag=True, help="Leave tags that are no longer used on the devices.")
@click.option("--adopt-tags", is_flag=True, help="Adopt tags of these names that the UEM has already.")
def apply(file: Path, yes: bool, leave_tags: bool, adopt_tags: bool) -> None:
    """Put FILE in force, page by page: Verify, then Save. Exits with 2 if the environment differs from it."""
    try:
        document = _read(file)
        found = file_plan.plan(document, current_settings())
        _print(found)
        if found.headings and not yes:
            click.confirm("Put this in force?", abort=True)
        tags = file_apply.TagChoices(take_off=not leave_tags, adopt=adopt_tags)
        for line in file_apply.apply(document, file.name, tags):
            click.echo(line)
    except FileRefused as refused:
        raise click.ClickException(str(refused)) from None
    if found.environment:
        raise SystemExit(_CHANGES)


def _read(file: Path) -> Document:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read ({error}).") from None


def _print(found: file_plan.FilePlan) -> None:
    for heading, lines in found.headings:
        click.echo(f"{heading}{':' if lines else '.'}")
        for line in lines:
            click.echo(f"  {line}")
    if found.environment:
        click.echo("To be set in the environment; apply does not change it:")
        for line in found.environment:
            click.echo(f"  {line}")
    if found.others:
        click.echo(f"Not in the file, and left as they are: {', '.join(found.others)}.")
    if not found.changes:
        click.echo("Nothing would change.")


def _chosen(ids: Sequence[int]) -> Sequence[Integration]:
    finished = select(Integration).where(Integration.state.in_(FINISHED)).order_by(Integration.id)
    rows = db.session.scalars(finished.where(Integration.id.in_(ids)) if ids else finished).all()
    if missing := sorted(set(ids) - {row.id for row in rows}):
        raise click.ClickException(f"There is no finished integration {missing[0]}; see `integrations list`.")
    names = [row.name for row in rows]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise click.ClickException(f"Two integrations are called {twice}; give one of them another name.")
    return rows
