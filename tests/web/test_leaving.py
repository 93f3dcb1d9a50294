"""Switching tags off, renaming them, removing the integration: what becomes of those on devices (shell)."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.models import (
    AuditEntry,
    Device,
    Integration,
    IntegrationState,
    Job,
    LinkState,
    SetupPage,
    TagLink,
    UemTag,
)
from harmony.models.configuration import TAGGING, Tagging, to_row
from harmony.setup import drafts
from harmony.sync import job as sync_job
from harmony.web.integrations import removal
from harmony.web.wizard.tag_withdrawal import LEAVE, TAKE_OFF
from tests.builders import NOON, FakeUem, an_integration, devices

ACTIVE, HIGH = "status:active", "risk:high"


@pytest.fixture
def tagged(app: Flask) -> int:
    """Three devices with a status tag, one of them High too; both tags are in the UEM."""
    with app.app_context():
        id_ = an_integration()
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1, 2, 3)}))
        with write() as session:
            for key, name, numbers in ((ACTIVE, "CHKP_Status_Active", "123"), (HIGH, "CHKP_Risk_High", "1")):
                session.add(UemTag(integration_id=id_, key=key, name=name, external_id=f"9{len(numbers)}"))
                for one in session.query(Device).filter(Device.external_id.in_(list(numbers))):
                    session.add(
                        TagLink(
                            device_id=one.id, key=key, integration_id=id_, external_id=one.external_id or "",
                            wanted=True, present=True, state=LinkState.DONE, changed_at=NOON,
                        )
                    )  # fmt: skip
        return id_


def verified(app: Flask, id_: int, tagging: Tagging) -> None:
    """Type that and let Verify pass; nothing of it is in force."""
    with app.app_context(), write() as session:
        page = session.get_one(SetupPage, (id_, TAGGING))
        page.draft, page.edition = to_row(tagging), page.edition + 1
        said = session.get_one(Integration, id_).verification(TAGGING)
        assert said is not None
        said.digest, said.passed = drafts.digest(page.draft), True


def applied(app: Flask, id_: int) -> dict[str, object]:
    with app.app_context():
        return db.session.get_one(SetupPage, (id_, TAGGING)).applied or {}


def retired(app: Flask, id_: int) -> set[str]:
    with app.app_context():
        mine = db.select(UemTag.key).where(UemTag.integration_id == id_, UemTag.retired_at.is_not(None))
        return set(db.session.scalars(mine))


def is_due(app: Flask, id_: int) -> bool:
    with app.app_context():
        job = db.session.get_one(Job, (id_, JobKind.TAGGING))
        return job.whole and job.next_at is not None and job.next_at <= now()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found
    return found[1]


def href(id_: int) -> str:
    return f"/integrations/{id_}/setup/tagging/leaving"


@pytest.mark.parametrize(
    ("tagging", "off", "words"),
    [
        (Tagging(tag_risk=False), {HIGH}, ("switched off", "Remove them from 1 device.")),
        (Tagging(names={ACTIVE: "On"}), set(), (">On<", "Remove them from 3 devices.")),
        (Tagging(prefix="X_", tag_risk=False), {HIGH}, ("X_Status_Active", "Remove them from 3 devices.")),
    ],
)
def test_save_asks_first_and_names_each_tag_with_its_devices(  # noqa: PLR0917 - three of them are the case
    app: Flask, signed_in: FlaskClient, tagged: int, tagging: Tagging, off: set[str], words: tuple[str, str]
) -> None:
    verified(app, tagged, tagging)
    page = signed_in.get(href(tagged)).get_data(as_text=True)
    assert all(word in page for word in words)
    assert applied(app, tagged) == to_row(Tagging())
    answer = signed_in.post(href(tagged), data={"tags": TAKE_OFF, "edition": hidden(page, "edition")})
    assert answer.location == f"/integrations/{tagged}/tags"
    assert applied(app, tagged) == to_row(tagging)
    # Those of another name the worker finds and takes off by itself.
    assert retired(app, tagged) == off
    assert is_due(app, tagged)


def test_tags_that_are_left_are_not_retired_but_remembered(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    verified(app, tagged, Tagging(tag_risk=False, names={ACTIVE: "On"}))
    page = signed_in.get(href(tagged)).get_data(as_text=True)
    answer = signed_in.post(href(tagged), data={"tags": LEAVE, "edition": hidden(page, "edition")})
    assert answer.location == f"/integrations/{tagged}"
    assert retired(app, tagged) == set()
    assert is_due(app, tagged)
    with app.app_context():
        assert {tag.key for tag in db.session.query(UemTag)} == {"old:93", HIGH}
    assert "they are no longer updated" in signed_in.get(answer.location).get_data(as_text=True)


def test_nothing_is_asked_when_no_tag_is_left_behind(app: Flask, signed_in: FlaskClient, tagged: int) -> None:
    verified(app, tagged, Tagging(tag_no_risk=True, names={"risk:low": "Small"}))
    assert signed_in.get(href(tagged)).location == f"/integrations/{tagged}/setup/tagging"


def test_without_an_answer_or_for_other_values_nothing_is_put_in_force(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    verified(app, tagged, Tagging(tag_risk=False))
    page = signed_in.get(href(tagged)).get_data(as_text=True)
    edition = hidden(page, "edition")
    answer = signed_in.post(href(tagged), data={"tags": "nonsense", "edition": edition})
    assert answer.status_code == 422
    assert "Choose what happens to the tags." in answer.get_data(as_text=True)
    verified(app, tagged, Tagging(tag_status=False))
    answer = signed_in.post(href(tagged), data={"tags": TAKE_OFF, "edition": edition})
    assert answer.location == f"/integrations/{tagged}/setup/tagging"
    assert applied(app, tagged) == to_row(Tagging())
    assert retired(app, tagged) == set()


def remove(client: FlaskClient, id_: int, **typed: str) -> tuple[int, str]:
    answer = client.post(f"/integrations/{id_}/remove", data={"name": "Test UEM", "devices": "keep"} | typed)
    return answer.status_code, answer.location or answer.get_data(as_text=True)


def state_of(app: Flask, id_: int) -> str:
    with app.app_context():
        return db.session.get_one(Integration, id_).state


def test_remove_can_take_the_tags_off_first_and_keeps_what_was_typed(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    path = f"/integrations/{tagged}/remove"
    assert "Remove the tags from the 3 devices first," in signed_in.get(path).get_data(as_text=True)
    status, where = remove(signed_in, tagged, tags=removal.TAKE_OFF, devices="hide")
    assert (status, where) == (303, f"{path}?devices=hide&name=Test+UEM")
    assert state_of(app, tagged) == IntegrationState.ACTIVE
    assert retired(app, tagged) == {ACTIVE, HIGH}
    assert is_due(app, tagged)
    page = signed_in.get(where).get_data(as_text=True)
    assert "3 devices still with tags" in page
    assert 'hx-trigger="every 2s"' in page
    assert re.search('<input checked[^>]*value="hide"', page)
    assert 'value="Test UEM"' in page
    status, text = remove(signed_in, tagged, tags=removal.TAKE_OFF)
    assert status == 422
    assert "They are still on the 3 devices." in text
    with app.app_context(), write() as session:
        session.query(TagLink).delete()
        session.query(UemTag).update({"retired_at": None})
    page = signed_in.get(where).get_data(as_text=True)
    assert "No device carries a tag of Harmony any more." in page
    assert "hx-trigger" not in page
    assert remove(signed_in, tagged) == (303, "/integrations")
    assert state_of(app, tagged) == IntegrationState.REMOVED


def test_a_uem_that_cannot_be_reached_does_not_keep_anybody_from_removing(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    remove(signed_in, tagged, tags=removal.TAKE_OFF)
    with app.app_context(), write() as session:
        session.get_one(Job, (tagged, JobKind.TAGGING)).parked_why = "The account may not change tags."
    page = signed_in.get(f"/integrations/{tagged}/remove").get_data(as_text=True)
    assert "The account may not change tags. You can leave the tags" in page
    assert "hx-trigger" not in page
    assert remove(signed_in, tagged, tags=removal.LEAVE) == (303, "/integrations")
    assert state_of(app, tagged) == IntegrationState.REMOVED


def test_a_paused_integration_offers_only_to_leave_the_tags_and_says_why(
    signed_in: FlaskClient, tagged: int
) -> None:
    signed_in.post(f"/integrations/{tagged}/pause")
    page = signed_in.get(f"/integrations/{tagged}/remove").get_data(as_text=True)
    assert "They cannot be taken off now: the integration is paused." in page
    assert "Remove the tags from" not in page
    assert remove(signed_in, tagged, tags=removal.TAKE_OFF)[0] == 422


def test_what_was_asked_for_stands_in_the_audit(app: Flask, signed_in: FlaskClient, tagged: int) -> None:
    remove(signed_in, tagged, tags=removal.TAKE_OFF)
    with app.app_context():
        newest = db.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert newest is not None
        assert newest.what == "Asked to take tags off the devices"
