"""Rotation, lost keys and the canary on a file SQLite (rung: shell)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.models import Integration, JobRun, StopReason, VaultCanary
from harmony.models.configuration import DEPLOYMENT, SERVER, ServerDetails, from_row
from harmony.ops.start import prepare
from harmony.security import keys
from harmony.security.credentials import seal_secrets, unseal
from harmony.setup import apply, drafts, rotation, secrets
from harmony.setup.wizard_state import WizardState
from harmony.sync import job as sync_job
from tests.builders import an_integration

SECRET = "rotate-this-canary"


def with_secret() -> int:
    """An integration in force whose client secret is sealed under the newest key."""
    id_ = an_integration()
    with db_write() as session:
        page = session.get_one(Integration, id_).page(SERVER)
        sealed = seal_secrets(id_, replace_struct(page.draft, client_secret=SECRET))
        page.draft = page.applied = drafts.to_row(sealed)
        said = session.get_one(Integration, id_).verification(SERVER)
        said.digest = drafts.digest(page.draft)
    return id_


def db_write() -> Any:
    from harmony.db import write

    return write()


def replace_struct(row: dict[str, Any], **changes: str) -> ServerDetails:
    import msgspec

    return msgspec.structs.replace(from_row(ServerDetails, row), **changes)


def under(settings: Settings, *vault_keys: str) -> Flask:
    """The same data under other keys, as after a restart."""
    return create_app(replace(settings, vault_keys=vault_keys))


def opened(id_: int) -> str:
    page = db.session.get_one(Integration, id_).page(SERVER)
    assert page is not None
    return unseal(id_, from_row(ServerDetails, page.applied), "client_secret")


@pytest.fixture
def old() -> str:
    return keys.new_vault_key()


@pytest.fixture
def new() -> str:
    return keys.new_vault_key()


def test_rotation_seals_everything_under_the_newest_key_and_keeps_what_was_verified(
    settings: Settings, old: str, new: str
) -> None:
    with under(settings, old).app_context():
        id_ = with_secret()
    with under(settings, new, old).app_context():
        assert rotation.rotate(dry_run=True) == rotation.Rotation(renewed=1)
        assert rotation.rotate(dry_run=True) == rotation.Rotation(renewed=1)
        assert rotation.rotate(dry_run=False) == rotation.Rotation(renewed=1)
        assert rotation.rotate(dry_run=False) == rotation.Rotation(current=1)
        integration = db.session.get_one(Integration, id_)
        assert SERVER in WizardState(integration).verified
        assert not WizardState(integration).has_unsaved_changes(SERVER)
    with under(settings, new).app_context():
        assert opened(id_) == SECRET
        assert secrets.check() == []


def test_the_command_counts_and_fails_when_a_secret_does_not_open(
    settings: Settings, old: str, new: str
) -> None:
    with under(settings, old).app_context():
        with_secret()
    done = under(settings, new).test_cli_runner().invoke(args=["secrets", "rotate", "--dry-run"])
    assert "1 cannot be opened" in done.output
    assert done.exit_code == 1
    done = under(settings, new, old).test_cli_runner().invoke(args=["secrets", "rotate"])
    assert done.output.startswith("1 were sealed anew, 0 were current, 0 cannot be opened.")
    assert done.exit_code == 0


def test_a_lost_key_stops_the_integration_and_the_old_key_frees_it(
    settings: Settings, old: str, new: str
) -> None:
    with under(settings, old).app_context():
        id_ = with_secret()
        assert secrets.check() == []
    with under(settings, new).app_context():
        assert secrets.check() == ["Test UEM"]
        stopped = db.session.get_one(Integration, id_)
        assert stopped.stopped_why == StopReason.SECRETS
        assert "does not open the stored credentials" in (stopped.stopped_reason or "")
    with under(settings, old).app_context():
        assert secrets.check() == []
        assert db.session.get_one(Integration, id_).stopped_why is None


def test_a_sync_that_finds_its_secrets_locked_stops_instead_of_failing_for_ever(
    settings: Settings, old: str, new: str
) -> None:
    with under(settings, old).app_context():
        id_ = with_secret()
    with under(settings, new).app_context():
        sync_job.sync(id_)
        assert db.session.scalars(select(JobRun)).one().state == "failed"
        assert db.session.get_one(Integration, id_).stopped_why == StopReason.SECRETS
        sync_job.sync(id_)
        assert len(db.session.scalars(select(JobRun)).all()) == 1


def test_entering_the_secrets_again_frees_the_integration(settings: Settings, old: str, new: str) -> None:
    with under(settings, old).app_context():
        id_ = with_secret()
    with under(settings, new).app_context():
        secrets.check()
        with db_write() as session:
            page = session.get_one(Integration, id_).page(SERVER)
            page.draft = drafts.to_row(seal_secrets(id_, replace_struct(page.draft, client_secret=SECRET)))
            session.get_one(Integration, id_).verification(SERVER).digest = drafts.digest(page.draft)
        apply.save(id_, SERVER, "test", now())
        assert db.session.get_one(Integration, id_).stopped_why is None
        assert opened(id_) == SECRET


def test_the_canary_tells_a_changed_key_even_without_an_integration(
    settings: Settings, old: str, new: str, caplog: pytest.LogCaptureFixture
) -> None:
    with under(settings, old).app_context():
        assert secrets.check() == []
        assert db.session.scalars(select(VaultCanary)).one()
        assert "another than at the last start" not in caplog.text
    with under(settings, new).app_context():
        secrets.check()
        assert "another than at the last start" in caplog.text


def test_the_start_says_which_integrations_are_stopped(
    settings: Settings, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with under(settings, old).app_context():
        with_secret()
    prepare(under(settings, new))
    out = capsys.readouterr().out
    assert "Test UEM is stopped" in out
    assert SECRET not in out


def test_a_token_that_does_not_open_can_be_made_anew(settings: Settings, old: str, new: str) -> None:
    with under(settings, old).app_context():
        id_ = drafts.create("workspace_one", now())
    with under(settings, new).app_context():
        assert drafts.token(db.session.get_one(Integration, id_)) is None
        drafts.renew_token(id_)
        token = drafts.token(db.session.get_one(Integration, id_))
        assert token is not None
        assert token.startswith(drafts.TOKEN_PREFIX)
        assert db.session.get_one(Integration, id_).page(DEPLOYMENT) is not None
