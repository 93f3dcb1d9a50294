"""Configuration as code (rung: shell; the UEM is simulated over real TLS): export, plan, apply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony import create_app
from harmony.config import Settings
from harmony.db import db
from harmony.messages.registration.texts import texts_in_force
from harmony.messages.settings import mail_server
from harmony.models import AuditEntry, Device, Integration, IntegrationState, Policy
from harmony.models.configuration import SYNCHRONIZATION
from harmony.setup.demo import server_details
from harmony.simulator.server import RunningSimulator
from harmony.sync import job as sync_job
from harmony.tagging import job as tagging_job
from tests.builders import an_integration
from tests.database import on_both
from tests.web.reading import look

database = on_both
SECRET = "HARMONY_UEM_1_CLIENT_SECRET"
TOP = "{kind: organization, id: 570}"
NAME = "Simulated UEM"


def command(app: Flask, *words: str | Path) -> Result:
    return app.test_cli_runner().invoke(args=["integrations", *map(str, words)])


def apply(app: Flask, file: Path, *options: str) -> str:
    done = command(app, "apply", file, "--yes", *options)
    assert done.exit_code == 0, done.output
    return done.output


def edit(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def add(file: Path, text: str) -> Path:
    file.write_text(file.read_text() + text)
    return file


@pytest.fixture
def file(app: Flask, uem: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for the simulated UEM, whose secret is in the environment; the rest is the wizard's default."""
    monkeypatch.setenv(SECRET, uem.credentials.client_secret)
    server = server_details(app.extensions["harmony.settings"])
    assert server is not None
    certificate = server.certificate.replace("\n", "\n        ").rstrip()
    path = tmp_path / "harmony.yaml"
    path.write_text(f"""\
version: 1
integrations:
  - display_name: {NAME}
    server:
      server_address: {server.server_address}
      token_address: {server.token_address}
      client_id: {server.client_id}
      client_secret: ${{{SECRET}}}
      self_signed: true
      certificate: |
        {certificate}
    synchronization:
      groups:
        - {TOP}
""")
    return path


@pytest.fixture
def applied(app: Flask, file: Path) -> Path:
    """A file that is in force."""
    apply(app, file)
    return file


@pytest.fixture
def empty(settings: Settings, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An installation of its own, with other keys and nothing in it."""
    folder = tmp_path / "another"
    folder.mkdir(mode=0o700)
    (folder / "harmony.db").write_bytes(request.getfixturevalue("migrated_file").read_bytes())
    another = create_app(Settings(data_dir=folder, demo=True))
    yield another
    with another.app_context():
        db.engine.dispose()


def the_integration(app: Flask, name: str = NAME) -> Integration | None:
    with app.app_context():
        found = db.session.scalar(select(Integration).where(Integration.name == name))
        if found is not None:
            assert found.pages is not None
            assert found.verifications is not None
        return found


def running(app: Flask) -> Integration:
    found = the_integration(app)
    assert found is not None
    return found


def audited(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.who, entry.what, entry.detail) for entry in entries]


def test_apply_creates_and_finishes_an_integration_and_changes_nothing_the_second_time(
    app: Flask, file: Path
) -> None:
    planned = command(app, "plan", file)
    assert planned.exit_code == 2
    assert f"{NAME} is created and finished.\n" in planned.output
    assert "  Group(s): 570 (organization group 570) added\n" in planned.output
    assert the_integration(app) is None
    assert f"{NAME}: finished; the first sync starts now." in apply(app, file)
    integration = running(app)
    assert (integration.state, integration.sync_job.requested_by) == (IntegrationState.ACTIVE, "command line")
    what = [("command line", "Created the integration", ""), ("command line", "Finished the set-up", "")]
    assert audited(app) == what
    again = command(app, "plan", file)
    assert (again.exit_code, again.output) == (0, "Nothing would change.\n")
    assert apply(app, file) == "Nothing would change.\n"
    assert audited(app) == what


def test_a_plan_of_an_own_export_says_that_nothing_changes(app: Flask, applied: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported.yaml"
    assert command(app, "export", "--out", out).exit_code == 0
    text = out.read_text()
    assert command(app, "export", "1").output == text
    assert command(app, "plan", out).output == "Nothing would change.\n"
    apply(app, out)
    assert command(app, "export").output == text


def test_an_edit_goes_the_way_of_its_page(app: Flask, applied: Path) -> None:
    edit(applied, f"        - {TOP}\n", f"        - {TOP}\n      device_interval: 120\n")
    planned = command(app, "plan", applied)
    line = "  Device sync interval: 60 → 120 minutes\n"
    assert (planned.exit_code, planned.output) == (2, f"{NAME}, Synchronization:\n{line}")
    assert f"{NAME}: Synchronization saved." in apply(app, applied)
    assert running(app).in_force.synchronization.device_interval == 120
    assert audited(app)[-1] == ("command line", "Edited Synchronization", "Device sync interval")


def test_apply_asks_first_and_a_no_changes_nothing(app: Flask, file: Path) -> None:
    answer = app.test_cli_runner().invoke(args=["integrations", "apply", str(file)], input="n\n")
    assert (answer.exit_code, "Put this in force?" in answer.output) == (1, True)
    assert the_integration(app) is None


def test_a_page_that_verify_refuses_is_not_in_force_and_nothing_after_it_is(
    app: Flask, applied: Path
) -> None:
    gone = "{kind: organization, id: 999, name: Gone}"
    edit(applied, f"        - {TOP}\n", f"        - {TOP}\n        - {gone}\n    tagging: {{prefix: X_}}\n")
    refused = command(app, "apply", applied, "--yes")
    assert refused.exit_code == 1
    line = applied.read_text().splitlines().index(f"        - {gone}") + 1
    assert f"integrations[0].synchronization.groups[1] (line {line}): Verify did not pass." in refused.output
    assert "Gone: The account no longer sees Gone. Choose another group" in refused.output
    integration = running(app)
    assert [group.external_id for group in integration.in_force.synchronization.groups] == ["570"]
    page = integration.page(SYNCHRONIZATION)
    assert page is not None
    assert page.draft == page.applied
    assert integration.in_force.tagging.prefix == "CHKP_"


def line(file: Path, text: str) -> int:
    """Return the number of the first line that holds a text."""
    lines = file.read_text("utf-8").splitlines()
    return next(number for number, each in enumerate(lines, 1) if text in each)


def test_rules_of_the_pages_are_those_of_the_file_and_all_complaints_come_at_once(
    app: Flask, file: Path
) -> None:
    edit(file, f"        - {TOP}\n", f"        - {TOP}\n      device_interval: 65\n      deletion_after: 0\n")
    add(file, "    tagging:\n      prefix: ''\n      names: {'risk:high': Same, 'risk:low': same}\n")
    for words in (("plan", file), ("apply", file, "--yes")):
        refused = command(app, *words)
        assert refused.exit_code == 1
        for sentence in (
            f"device_interval (line {line(file, 'device_interval')}): Enter a whole number from 10 to 1440 "
            "minutes, in steps of 10.",
            f"deletion_after (line {line(file, 'deletion_after')}): Enter a whole number from 1 to 100 "
            "sync tries.",
            f"tagging.names.risk:high (line {line(file, 'risk:high')}): Another tag has this name.",
        ):
            assert sentence in refused.output, refused.output
    assert the_integration(app) is None


def test_a_secret_that_nothing_supplies_is_named(
    app: Flask, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET)
    refused = command(app, "plan", file)
    assert refused.exit_code == 1
    assert f"Enter the Client Secret. Set {SECRET} in the environment." in refused.output


def test_a_stored_secret_is_kept_for_the_same_server_and_demanded_for_another(
    app: Flask, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET)
    edit(applied, "    synchronization:", "    deployment: {auto_addition: true}\n    synchronization:")
    assert (
        "  Allow auto device addition prior to device sync: off → on" in command(app, "plan", applied).output
    )
    apply(app, applied)
    text = applied.read_text()
    applied.write_text(re.sub(r"server_address: .*", "server_address: https://other.test", text))
    refused = command(app, "apply", applied, "--yes")
    assert refused.exit_code == 1
    assert "Enter the Client Secret again: the saved one belongs to" in refused.output
    assert f"Set {SECRET} in the environment." in refused.output


def test_a_secret_may_come_from_a_file_and_never_stands_in_this_one(
    app: Flask, file: Path, uem: RunningSimulator, tmp_path: Path
) -> None:
    held = tmp_path / "secret"
    edit(file, f"client_secret: ${{{SECRET}}}", f"client_secret: {{file: {held}}}")
    assert f"Enter the Client Secret. Write it into {held}." in command(app, "plan", file).output
    held.write_text(uem.credentials.client_secret + "\n")
    apply(app, file)
    edit(file, f"{{file: {held}}}", "hunter2-hunter2")
    refused = command(app, "plan", file)
    assert "client_secret (line 8): a secret does not stand in this file." in refused.output
    assert "hunter2" not in refused.output
    edit(file, "hunter2-hunter2", "${HARMONY_VAULT_KEYS}")
    assert "HARMONY_VAULT_KEYS is a setting of Harmony itself" in command(app, "plan", file).output


def test_another_secret_is_planned_without_a_value_and_refused_by_the_uem_it_is_not_in_force(
    app: Flask, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running(app).in_force.server
    monkeypatch.setenv(SECRET, "another-secret-of-the-same-client")
    planned = command(app, "plan", applied)
    assert planned.output == f"{NAME}, Server Details:\n  Client Secret: another one\n"
    refused = command(app, "apply", applied, "--yes")
    assert refused.exit_code == 1
    assert "integrations[0].server (line 4): Verify did not pass." in refused.output
    assert running(app).in_force.server == before


def test_the_policy_is_put_in_force_by_the_rules_of_its_page(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\npolicy:\n  inactive_days: 9\n  risks: {ROOTED: Medium}\n")
    planned = command(app, "plan", file)
    lines = "  Days until Inactive: 7 → 9\n  Rooted: High → Medium\n"
    assert (planned.exit_code, planned.output) == (2, f"Policy:\n{lines}")
    apply(app, file)
    with app.app_context():
        policy = db.session.scalars(select(Policy)).one()
        assert (policy.by, policy.values["risks"]) == ("command line", {"ROOTED": 2})
    assert apply(app, file) == "Nothing would change.\n"
    file.write_text("version: 1\npolicy:\n  silent_days: 30\n  minimum_os: {ios: x}\n")
    refused = command(app, "plan", file).output
    assert "policy.silent_days (line 3): Enter fewer days than until Inactive (9), or 0 for never." in refused
    assert "policy.minimum_os.ios (line 4): Enter a version such as 17" in refused
    file.write_text("version: 1\npolicy:\n  silent_risk: Huge\n  risks: {MALICIOUS_APP: Low, ROOTED: Huge}\n")
    refused = command(app, "plan", file).output
    assert "policy.silent_risk (line 3): a risk is one of No Risk, Low, Medium, High." in refused
    assert "policy.risks.MALICIOUS_APP (line 4): the policy does not set the risk" in refused
    assert "policy.risks.ROOTED (line 4): a risk is one of" in refused


def test_how_long_things_are_kept_is_compared_and_left_to_the_environment(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "retention.yaml"
    file.write_text("version: 1\nretention: {runs_kept_days: 30, audit_kept_days: 365}\n")
    sentence = "To be set in the environment; apply does not change it:\n  HARMONY_RUNS_KEPT_DAYS: 90 → 30\n"
    for words in (("plan", file), ("apply", file, "--yes")):
        answer = command(app, *words)
        assert (answer.exit_code, answer.output) == (2, sentence)


def test_integrations_that_the_file_does_not_name_are_left_as_they_are(app: Flask, file: Path) -> None:
    with app.app_context():
        an_integration(name="Head office")
    assert "Not in the file, and left as they are: Head office.\n" in command(app, "plan", file).output


def test_a_name_that_two_integrations_have_is_refused(app: Flask, file: Path) -> None:
    with app.app_context():
        an_integration(name=NAME)
        an_integration(name=NAME)
    refused = command(app, "plan", file).output
    assert f"integrations[0].display_name (line 3): 2 integrations are called {NAME}" in refused
    assert f"Two integrations are called {NAME}" in command(app, "export").output
    assert command(app, "export", "7").exit_code == 1


def carried(uem: RunningSimulator) -> dict[str, set[int]]:
    """The devices that carry each tag in the UEM."""
    return {tag.name: set(tag.devices) for tag in uem.world.tags.values() if tag.name.startswith("CHKP_")}


def synced(app: Flask) -> set[tuple[str | None, str, str]]:
    """The devices after one sync and one push of tags."""
    with app.app_context():
        id_ = running(app).id
        sync_job.sync(id_)
        tagging_job.tag(id_)
        rows = db.session.execute(select(Device.external_id, Device.udid, Device.name)).all()
        return {(row.external_id, row.udid, row.name) for row in rows}


def test_an_export_on_an_empty_installation_ends_in_the_same_devices_and_tags(
    app: Flask, applied: Path, uem: RunningSimulator, empty: Flask, tmp_path: Path
) -> None:
    out = tmp_path / "exported.yaml"
    devices, tags = synced(app), carried(uem)
    assert devices
    assert any(tags.values())
    assert command(app, "export", "--out", out).exit_code == 0
    refused = command(empty, "apply", out, "--yes")
    assert refused.exit_code == 1
    assert "in the UEM already, not made by Harmony" in refused.output
    apply(empty, out, "--adopt-tags")
    assert (synced(empty), carried(uem)) == (devices, tags)
    assert command(empty, "plan", out).output == "Nothing would change.\n"


def test_the_page_of_the_integration_says_what_was_changed_since(
    app: Flask, applied: Path, signed_in: FlaskClient
) -> None:
    address = f"/integrations/{running(app).id}"
    assert "The settings are those of" in look(signed_in, address)
    with app.app_context():
        row = db.session.get_one(Integration, 1).page(SYNCHRONIZATION)
        assert row is not None
        row.applied = row.applied | {"device_interval": 30, "delta": False}
        db.session.commit()
    page = look(signed_in, address)
    assert re.search(r"Changed since.*harmony\.yaml.*was applied on.*2 settings", page, re.S)
    assert "<li>Synchronization, Device sync interval: 60 → 30 minutes</li>" in page
    apply(app, applied)
    assert "The settings are those of" in look(signed_in, address)


MAIL = """
messages:
  mail_server:
    host: smtp.example.com
    port: 587
    security: starttls
    username: harmony
    password: ${HARMONY_MAIL_PASSWORD}
    sender: harmony@example.com
  texts:
    en:
      subject: Register with {{org}}
"""


def test_the_mail_server_and_the_texts_are_put_in_force_and_exported_without_the_password(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARMONY_MAIL_PASSWORD", "a-password-of-mail")
    file = tmp_path / "mail.yaml"
    file.write_text(f"version: 1\n{MAIL}", "utf-8")
    planned = command(app, "plan", file)
    assert planned.exit_code == 2
    assert "Server: none → smtp.example.com" in planned.output
    assert "English, Subject: another text" in planned.output
    apply(app, file)
    with app.app_context():
        server = mail_server(db.session())
        assert server is not None
        assert (server.host, server.sender) == ("smtp.example.com", "harmony@example.com")
        assert server.password
        assert texts_in_force(db.session(), "en")["subject"] == "Register with {{org}}"
    exported = command(app, "export").output
    assert "password: ${HARMONY_MAIL_PASSWORD}" in exported
    assert "a-password-of-mail" not in exported
    monkeypatch.delenv("HARMONY_MAIL_PASSWORD")
    assert command(app, "plan", file).output.endswith("Nothing would change.\n")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "mail_server: {host: 'a b', sender: x@y.test}",
            "messages.mail_server.host (line 3): Enter",
        ),
        ("texts: {xx: {subject: a}}", "messages.texts.xx (line 3): there is no such language"),
        ("texts: {en: {body: 'Hello {{nobody}}'}}", "messages.texts.en.body (line 3)"),
    ],
)
def test_what_the_pages_of_messages_refuse_is_refused_in_the_file(
    app: Flask, tmp_path: Path, said: str, sentence: str
) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(f"version: 1\nmessages:\n  {said}\n", "utf-8")
    refused = command(app, "plan", file)
    assert refused.exit_code == 1
    assert sentence in refused.output
