"""The tag pages: numbers, devices, reasons, files, buttons (rung: shell on file databases)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Job, JobRun, LinkState, SyncRunState, TagLink, UemTag
from harmony.sync import job as sync_job
from harmony.web.tags import queries as tag_queries
from harmony.web.tags.queries import TagCounts
from tests.builders import NOON, FakeUem, an_integration, devices
from tests.database import on_both
from tests.web.reading import look, pages_from

database = on_both

ACTIVE, HIGH, ROOTED = "status:active", "risk:high", "factor:ROOTED"
NAMES = {ACTIVE: "CHKP_Status_Active", HIGH: "CHKP_Risk_High", ROOTED: "CHKP_TF_ROOTED"}


def a_fleet(size: int = 4) -> int:
    """An integration with that many devices and three tags, none of which stands anywhere yet."""
    id_ = an_integration()
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(*range(1, size + 1))}))
    with write() as session:
        for number, (key, name) in enumerate(NAMES.items()):
            session.add(
                UemTag(
                    integration_id=id_, key=key, name=name, external_id=str(10_000 + number),
                    organization_group_id="570",
                )
            )  # fmt: skip
    return id_


def link(id_: int, device: int, key: str, *, wanted: bool, present: bool, **changes: object) -> None:
    values = {"state": LinkState.DONE if wanted is present else LinkState.PENDING, "changed_at": NOON}
    with write() as session:
        ours = session.query(Device).filter_by(integration_id=id_, external_id=str(device)).one()
        row = TagLink(
            device_id=ours.id, key=key, integration_id=id_, external_id=str(device), wanted=wanted,
            present=present,
        )  # fmt: skip
        for name, value in (values | changes).items():
            setattr(row, name, value)
        session.add(row)


@pytest.fixture
def tagged(app: Flask) -> int:
    """Device 1 has the tag; it is to come onto 2, to go from 3; onto 4 it could not be put."""
    with app.app_context():
        id_ = a_fleet()
        link(id_, 1, ACTIVE, wanted=True, present=True)
        link(id_, 2, ACTIVE, wanted=True, present=False)
        link(id_, 3, ACTIVE, wanted=False, present=True)
        link(
            id_, 4, ACTIVE, wanted=True, present=False, state=LinkState.FAILED, attempts=2,
            reason="Device Not Found", next_try_at=now() + timedelta(hours=2),
        )  # fmt: skip
        return id_


def test_every_number_of_a_tag_leads_to_exactly_its_devices(signed_in: FlaskClient, tagged: int) -> None:
    page = look(signed_in, f"/integrations/{tagged}/tags")
    for shown, names in {"wanted": (1, 2, 4), "present": (1, 3), "pending": (2, 3), "failed": (4,)}.items():
        href = f"/integrations/{tagged}/tags/{ACTIVE}?state={shown}"
        assert f'<a href="{href}">{len(names)}</a>' in page
        assert look(signed_in, href).count('<th scope="row">') == len(names)


def test_a_failed_push_says_why_how_often_and_when_it_is_tried_again(
    signed_in: FlaskClient, tagged: int
) -> None:
    page = look(signed_in, f"/integrations/{tagged}/tags/{ACTIVE}?state=failed")
    assert "Device Not Found" in page
    assert "Not put on" in page
    assert 'data-label="Tries" class="num">2<' in page
    assert "1 push failed and will be tried again: Device Not Found" in look(
        signed_in, f"/integrations/{tagged}/tags"
    )


def test_the_filter_pages_by_key_and_loses_no_device(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = a_fleet(120)
        for number in range(1, 121):
            link(id_, number, HIGH, wanted=True, present=True)
    pages = "".join(pages_from(signed_in, f"/integrations/{id_}/tags/{HIGH}"))
    seen = re.findall(r'<th scope="row"><a href="(/devices/\d+)"', pages)
    assert len(seen) == len(set(seen)) == 120
    answer = signed_in.post(f"/integrations/{id_}/tags/{HIGH}/devices.csv")
    file = answer.text.lstrip("\ufeff").splitlines()
    assert len(file) == 121
    assert file[0].startswith("device_id,name,")


def test_the_device_shows_each_of_its_tags_with_state_and_reason(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    with app.app_context():
        link(tagged, 4, HIGH, wanted=True, present=True)
        device = db.session.query(Device).filter_by(external_id="4").one().id
    panel = look(signed_in, f"/devices/{device}").partition("Tags in the UEM")[2].partition("</section>")[0]
    assert panel.index("CHKP_Status_Active") < panel.index("CHKP_Risk_High")
    assert "Not put on" in panel
    assert "Device Not Found" in panel
    assert "On the device" in panel


def test_a_device_without_tags_says_why(app: Flask, signed_in: FlaskClient, tagged: int) -> None:
    with app.app_context(), write() as session:
        session.query(TagLink).delete()
        device = session.query(Device).filter_by(external_id="1").one().id
    assert "tagging is switched off, or the first push has not run yet" in look(
        signed_in, f"/devices/{device}"
    )


@pytest.mark.parametrize(("button", "whole"), [("push", False), ("read-back", True)])
def test_a_button_makes_tagging_due_at_once_even_while_it_is_parked(
    app: Flask, signed_in: FlaskClient, tagged: int, button: str, whole: bool
) -> None:
    with app.app_context(), write() as session:
        lease.make_due(session, tagged, JobKind.TAGGING, now() + timedelta(hours=1))
        job = session.get_one(Job, (tagged, JobKind.TAGGING))
        job.whole, job.parked_why = False, "The account may not change tags."
    page = look(signed_in, f"/integrations/{tagged}/tags")
    assert "No tags are pushed.</strong> The account may not change tags." in page
    assert "Try again" in page
    assert signed_in.post(f"/integrations/{tagged}/tags/{button}").location == f"/integrations/{tagged}/tags"
    with app.app_context():
        job = db.session.get_one(Job, (tagged, JobKind.TAGGING))
        assert (job.parked_why, job.whole, job.requested_by) == (None, whole, "admin")
        assert (tagged, JobKind.TAGGING) in lease.due(now())
    page = look(signed_in, f"/integrations/{tagged}/tags")
    assert "Try again" not in page
    assert 'hx-trigger="every 2s"' in page
    assert "The push is asked for, but no worker has run yet." in page


def test_a_paused_integration_says_why_nothing_is_pushed(signed_in: FlaskClient, tagged: int) -> None:
    signed_in.post(f"/integrations/{tagged}/pause")
    answer = signed_in.post(f"/integrations/{tagged}/tags/push", follow_redirects=True)
    assert "No tags are pushed: the integration is paused." in answer.get_data(as_text=True)


def test_a_push_under_way_is_shown_and_followed_until_its_end(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    with app.app_context():
        lease.request(tagged, JobKind.TAGGING, "kim", now())
        held = lease.claim(tagged, JobKind.TAGGING, "worker", now())
        assert held is not None
        with write() as session:
            session.get_one(JobRun, held.run_id).step = "CHKP_Risk_High · 500 of 1,200"
    part = look(signed_in, f"/integrations/{tagged}/tags/status")
    assert "CHKP_Risk_High · 500 of 1,200" in part
    assert 'hx-trigger="every 2s"' in part
    assert part.strip() in look(signed_in, f"/integrations/{tagged}/tags")
    with app.app_context(), write() as session:
        one = session.get_one(JobRun, held.run_id)
        one.state, one.finished_at, one.reason = SyncRunState.FAILED, now(), "The UEM did not answer."
    part = look(signed_in, f"/integrations/{tagged}/tags/status")
    assert "hx-trigger" not in part
    assert "The UEM did not answer." in part


def test_nonsense_in_the_address_is_ignored_or_not_found(signed_in: FlaskClient, tagged: int) -> None:
    page = look(signed_in, f"/integrations/{tagged}/tags/{ACTIVE}?state=x&after=y")
    assert 'value="present" selected' in page
    assert signed_in.get(f"/integrations/{tagged}/tags/status:nonsense").status_code == 404
    assert signed_in.get(f"/integrations/{tagged + 1}/tags/{ACTIVE}").status_code == 404


def test_the_sums_count_every_tag(app: Flask, tagged: int) -> None:
    with app.app_context():
        link(tagged, 1, HIGH, wanted=True, present=True)
        assert tag_queries.totals(tagged, tag_queries.lines(tagged)).counts == TagCounts(
            wanted=4, present=3, pending=2, failed=1
        )
        assert tag_queries.counts(tagged)[HIGH] == TagCounts(wanted=1, present=1)


def test_a_former_tag_is_listed_only_while_it_stands_somewhere(
    app: Flask, signed_in: FlaskClient, tagged: int
) -> None:
    with app.app_context():
        with write() as session:
            session.add(UemTag(integration_id=tagged, key="old:77", name="Former", external_id="77"))
            session.add(UemTag(integration_id=tagged, key="old:78", name="Lost"))
        link(tagged, 1, "old:77", wanted=False, present=True)
    page = look(signed_in, f"/integrations/{tagged}/tags")
    assert "Former" in page
    assert "Lost" not in page
    assert "Create missing tags" not in page
    assert "former tag" in look(signed_in, f"/integrations/{tagged}/tags/old:77")
    with app.app_context(), write() as session:
        session.query(TagLink).filter_by(key="old:77").delete()
    assert "Former" not in look(signed_in, f"/integrations/{tagged}/tags")
