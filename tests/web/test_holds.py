"""Held deletions: banner, page, decision, file (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Device, Hold, Integration, IntegrationState, JobRun
from harmony.sync.deletion import holds
from harmony.web.deletions import views as pages
from harmony.web.deletions.text import BADGES
from harmony.web.shared.paging import BEGINNING, Cursor, Place
from tests.builders import NOON, a_choice, an_integration
from tests.files import rows_of
from tests.stored import a_hold, live, missing, plan_of, store, synced
from tests.web.reading import link_on, look, pages_from
from tests.web.test_unfinished import expire, sign_in

HOUR = timedelta(hours=1)


def held(app: Flask, fleet: int = 10, gone: int = 6, **changes: object) -> tuple[int, str]:
    """The integration and the address of its open hold."""
    with app.app_context():
        id_ = an_integration(a_choice("570", deletion_after=1, deletion_threshold=20), due=None, **changes)
        hold = a_hold(id_, fleet, gone)
        return id_, f"/integrations/{id_}/holds/{hold.id}"


def digest_on(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


def approve(client: FlaskClient, href: str, number: object, digest: str | None = None) -> tuple[int, str]:
    form = {"number": str(number), "digest": digest or digest_on(look(client, href))}
    answer = client.post(f"{href}/approve", data=form)
    return answer.status_code, answer.get_data(as_text=True)


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/devices/\d+">(.*?)</a>', page)


def state(app: Flask, href: str) -> str:
    with app.app_context():
        return db.session.get_one(Hold, int(href.rsplit("/", 1)[1])).state


@pytest.mark.parametrize("page", ["/integrations", "/integrations/{}"])
def test_while_deletions_wait_a_banner_says_how_many_and_why(
    app: Flask, signed_in: FlaskClient, page: str
) -> None:
    id_, href = held(app)
    shown = look(signed_in, page.format(id_))
    assert "A deletion waits for you; nothing was deleted. 6 of 10 devices would go; the deletion" in shown
    assert f'href="{href}"' in shown


def test_the_page_shows_why_and_every_device_that_would_go(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app)
    page = look(signed_in, href)
    assert names_on(page) == [f"phone {number:06}" for number in range(6)]
    for shown in ("the deletion threshold is 20 %", "S3", "user 3", "Type 6 to approve", "Not listed"):
        assert shown in page
    assert '<td data-label="Misses" class="num">1</td>' in page


def test_the_page_says_what_makes_a_device_doubtful_and_in_which_group_it_was(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = an_integration(a_choice("570", deletion_after=1, deletion_threshold=100))
        store(id_, 3)
        with write() as session:
            session.execute(update(Device).values(group_name="Field Sales"))
        hold_id = synced(id_, [], emptied=[("organization", "570")]).hold_id
    page = look(signed_in, f"/integrations/{id_}/holds/{hold_id}")
    assert "There were devices in Group 570; none is listed there any more." in page
    assert "Its groups list no device" in page
    assert page.count("Field Sales") == 3


def test_every_device_of_a_long_list_is_on_exactly_one_page_and_the_filter_finds_it(
    app: Flask, signed_in: FlaskClient
) -> None:
    _, href = held(app, 130, 120)
    pages = list(pages_from(signed_in, href))
    seen = [name for page in pages for name in names_on(page)]
    assert seen == [f"phone {number:06}" for number in range(120)]
    previous = link_on(pages[-1], 'rel="prev"')
    assert previous
    assert names_on(look(signed_in, previous)) == seen[50:100]
    assert names_on(look(signed_in, f"{href}?q=SERIAL")) == []
    assert "No device matches" in look(signed_in, f"{href}?q=SERIAL")
    assert names_on(look(signed_in, f"{href}?q=user+77")) == ["phone 000077"]
    assert "120 devices would be deleted" in look(signed_in, f"{href}?q=user+77"), "it stays the whole list"


@pytest.mark.parametrize("typed", ["6", " 6 "])
def test_typing_the_number_approves_the_list_and_asks_for_a_sync(
    app: Flask, signed_in: FlaskClient, typed: str
) -> None:
    id_, href = held(app)
    assert approve(signed_in, href, typed)[0] == 303
    page = look(signed_in, href)
    assert "Approved. The sync that deletes what is still missing starts now." in page
    assert "was approved by admin" in page
    assert "Type 6" not in page
    with app.app_context():
        assert db.session.get_one(Integration, id_).sync_job.requested_by == "admin"
        assert synced(id_, range(6, 10), now() + HOUR).deleted == 6
    assert "carried out" in look(signed_in, href)
    assert "The deletion of" not in look(signed_in, f"/integrations/{id_}")


def test_the_number_typed_before_the_session_ended_is_there_again(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app)
    form = {"number": "6", "digest": digest_on(look(signed_in, href))}
    expire(app)
    answer = signed_in.post(f"{href}/approve", data=form)
    assert "What you typed is kept for an hour" in look(signed_in, answer.location)
    page = sign_in(signed_in, answer)
    assert "What you typed is here again; nothing was saved yet." in page
    assert 'value="6"' in page
    assert state(app, href) == "open"
    assert approve(signed_in, href, 6)[0] == 303


def test_a_number_typed_for_a_list_that_has_changed_is_not_there_again(
    app: Flask, signed_in: FlaskClient
) -> None:
    _, href = held(app)
    expire(app)
    page = sign_in(signed_in, signed_in.post(f"{href}/approve", data={"number": "6", "digest": "0" * 64}))
    assert "Type 6 to approve" in page
    assert 'value="6"' not in page
    assert "You were signed out before this was sent. Nothing was done: do it again." in page
    assert "is here again" not in page


def test_grouped_digits_are_understood(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app, 1300, 1200)
    assert approve(signed_in, href, "1,200")[0] == 303


@pytest.mark.parametrize("typed", ["", "5", "six", "6e0", "0x6", "-6"])
def test_a_wrong_number_is_told_beside_the_field(app: Flask, signed_in: FlaskClient, typed: str) -> None:
    _, href = held(app)
    status, page = approve(signed_in, href, typed)
    assert status == 422
    assert 'id="number-error"' in page
    assert "This is not the number of devices listed. Type 6 to approve." in page
    assert state(app, href) == "open"


def test_an_approval_while_paused_says_when_it_is_carried_out(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app, state=IntegrationState.PAUSED)
    assert "the first one after Resume" in look(signed_in, href)
    approve(signed_in, href, 6)
    page = look(signed_in, href)
    assert "the first complete one after Resume deletes what is still missing" in page
    assert "The integration is paused" in page


def test_the_second_of_two_administrators_is_told_that_the_list_changed(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_, href = held(app)
    digest = digest_on(look(signed_in, href))
    with app.app_context():
        synced(id_, range(7, 10), NOON + HOUR)
    for what, number in (("approve", "7"), ("dismiss", "")):
        answer = signed_in.post(f"{href}/{what}", data={"number": number, "digest": digest})
        page = answer.get_data(as_text=True)
        assert answer.status_code == 409
        assert "The list changed." in page
        assert len(names_on(page)) == 7, "the new list is shown"
        assert digest_on(page) != digest
    assert state(app, href) == "open"
    assert approve(signed_in, href, 7, digest_on(page))[0] == 303


@pytest.mark.parametrize("first", ["approve", "dismiss"])
def test_deciding_what_another_has_decided_is_a_conflict(
    app: Flask, signed_in: FlaskClient, first: str
) -> None:
    _, href = held(app)
    form = {"number": "6", "digest": digest_on(look(signed_in, href))}
    assert signed_in.post(f"{href}/{first}", data=form).status_code == 303
    answer = signed_in.post(f"{href}/approve", data=form)
    assert answer.status_code == 409
    assert "Somebody else or a sync was quicker" in answer.get_data(as_text=True)


@pytest.mark.parametrize("digest", ["", "0" * 64, "x"])
def test_without_the_stamp_of_the_list_nothing_is_decided(
    app: Flask, signed_in: FlaskClient, digest: str
) -> None:
    _, href = held(app)
    for what in ("approve", "dismiss"):
        answer = signed_in.post(f"{href}/{what}", data={"number": "6", "digest": digest})
        assert answer.status_code == 409
    assert state(app, href) == "open"


def test_dismissing_forgets_the_absence_and_says_so(app: Flask, signed_in: FlaskClient) -> None:
    id_, href = held(app)
    form = {"digest": digest_on(look(signed_in, href))}
    assert signed_in.post(f"{href}/dismiss", data=form).status_code == 303
    page = look(signed_in, href)
    assert "Dismissed: 6 devices count as present again. Nothing was deleted." in page
    assert "admin dismissed the deletion of 6 devices" in page
    with app.app_context():
        assert (missing(id_), len(live(id_))) == ([], 10)


def test_once_it_is_decided_the_integration_says_no_longer_that_it_waits(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_, href = held(app)
    with app.app_context(), write() as session:
        session.execute(update(JobRun).values(state="held", reason="Deletions wait for you."))
    assert "waits for you" in look(signed_in, f"/integrations/{id_}")
    signed_in.post(f"{href}/dismiss", data={"digest": digest_on(look(signed_in, href))})
    page = look(signed_in, f"/integrations/{id_}")
    assert "wait for you" not in page
    assert 'data-state="held"' in page, "the run itself did end so"


def test_a_list_whose_devices_all_came_back_says_so(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app)
    with app.app_context(), write() as session:
        session.execute(update(Device).values(absent_from=None, missing_since=None))
    page = look(signed_in, href)
    assert "Nothing is left to delete" in page
    assert "Type 0" not in page


@pytest.mark.parametrize("end", [one for one in BADGES if one not in holds.PENDING])
def test_a_hold_that_is_over_can_still_be_looked_at(app: Flask, signed_in: FlaskClient, end: str) -> None:
    id_, href = held(app)
    with app.app_context(), write() as session:
        session.execute(
            update(Hold).values(state=end, decided_by="kim", decided_at=NOON, expires_at=NOON + HOUR)
        )
    page = look(signed_in, href)
    assert BADGES[end][1] in page
    assert "Approve</button>" not in page
    assert names_on(page) == []
    assert BADGES[end][1] in look(signed_in, f"/integrations/{id_}/holds")
    assert "this hold is over" in signed_in.post(f"{href}/devices.csv").text.lower()


def test_the_whole_list_is_a_file_that_no_spreadsheet_runs(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app, 1300, 1200)
    names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'quo"te, comma', "plain"]
    with app.app_context(), write() as session:
        session.execute(update(Device).values(group_name="=Sales"))
        for number, name in enumerate(names):
            session.execute(
                update(Device)
                .where(Device.external_id == str(number))
                .values(name=name, name_key=f"a{number}")
            )
    answer = signed_in.post(f"{href}/devices.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="[\w.-]+\.csv"', answer.headers["Content-Disposition"])
    assert answer.headers["Cache-Control"] == "no-store"
    header, *rows = rows_of(answer)
    assert header[:2] == ["Name", "Serial"]
    assert len(rows) == 1200
    assert [row[0] for row in rows[:8]] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", *names[6:]]
    assert len({row[1] for row in rows}) == 1200
    assert dict(zip(header, rows[7], strict=True))["Misses"] == "1"
    assert {dict(zip(header, row, strict=True))["Group"] for row in rows} == {"'=Sales"}
    narrowed = rows_of(signed_in.post(f"{href}/devices.csv?q=S1199"))
    assert [row[1] for row in narrowed[1:]] == ["S1199"], "the file has what the filter shows"


def test_a_hold_is_found_only_under_its_own_integration(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app)
    other, _ = held(app)
    foreign = f"/integrations/{other}/holds/{href.rsplit('/', 1)[1]}"
    assert signed_in.get(foreign).status_code == 404
    assert signed_in.post(f"{foreign}/devices.csv").status_code == 404
    for what in ("approve", "dismiss"):
        assert signed_in.post(f"{foreign}/{what}", data={"digest": "x"}).status_code == 404


def test_hostile_text_is_shown_as_text(app: Flask, signed_in: FlaskClient) -> None:
    _, href = held(app)
    bad = '<script>alert(1)</script><a hx-get="/x">'
    with app.app_context(), write() as session:
        session.execute(update(Device).values(name=bad, user_name=bad, serial=bad))
    page = look(signed_in, f"{href}?q=%3Cscript%3E")
    page += look(signed_in, href)
    assert "<script>alert" not in page
    assert 'hx-get="/x"' not in page


def test_an_integration_without_a_hold_says_when_there_would_be_one(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = an_integration()
    assert "No deletion was ever held" in look(signed_in, f"/integrations/{id_}/holds")


def test_the_list_is_read_from_its_index(app: Flask) -> None:
    with app.test_request_context("/?q=phone"):
        id_ = an_integration(a_choice("570", deletion_after=1))
        hold = a_hold(id_, 10, 6)
        for place in (BEGINNING, Place(after=Cursor(5, "m")), Place(before=Cursor(5, "m"))):
            plan = plan_of(pages.BY_NAME.statement(pages._devices(hold), place))
            assert "ix_device_absent (integration_id=? AND absent_from<?)" in plan[0], plan
