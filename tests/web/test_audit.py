"""The audit page, and what is written into it (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, text

from harmony.audit import audit, verify
from harmony.clock import now
from harmony.db import db, write
from harmony.models import AuditEntry, Integration
from harmony.ops.cli import users as cli_users
from harmony.security import setup_code
from harmony.web.audit.queries import FILTERS, NEWEST_FIRST, entries, integrations, people
from harmony.web.shared.filters import Filters
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Cursor, Place
from tests.builders import NOON, an_integration
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.files import records_of
from tests.stored import plan_of
from tests.web.reading import link_on, look, pages_from


def note(app: Flask, who: str, *whats: str, on: int | None = None, detail: str = "") -> None:
    with app.app_context(), write() as session:
        integration = session.get_one(Integration, on) if on else None
        for what in whats:
            audit(session, who, what, now(), integration, detail=detail)


def an_active(app: Flask, name: str = "Head office") -> int:
    with app.app_context():
        return an_integration(name=name)


def forget(app: Flask) -> None:
    with app.app_context():
        while verify.forget(now() + timedelta(days=1)):
            pass


def whats(page: str) -> list[str]:
    return re.findall(r'<td data-label="Event">(.*?)</td>', page)


def written(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        rows = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id)).all()
        return [(row.who, row.what, row.detail) for row in rows]


def test_an_empty_audit_says_what_it_will_hold(app: Flask, signed_in: FlaskClient) -> None:
    forget(app)
    page = look(signed_in, "/audit")
    assert "Nothing was done yet" in page
    assert '<form method="get"' not in page


def test_every_entry_is_on_exactly_one_page_newest_first(app: Flask, signed_in: FlaskClient) -> None:
    forget(app)
    acts = [f"Act {number}" for number in range(PAGE_SIZE * 2 + 7)]
    note(app, "kim", *acts)
    pages = list(pages_from(signed_in, "/audit"))
    seen = [whats(page) for page in pages]
    assert [what for found in seen for what in found] == acts[::-1]
    back = link_on(pages[-1], 'rel="prev"')
    assert back
    assert whats(look(signed_in, back)) == seen[1]


def test_it_can_be_narrowed_to_a_person_and_an_integration(app: Flask, signed_in: FlaskClient) -> None:
    forget(app)
    one, two = an_active(app, "One"), an_active(app, "Two")
    note(app, "kim", "Paused", on=one)
    note(app, "kim", "Resumed", on=two)
    note(app, "lee & co", "Removed", on=one)
    assert whats(look(signed_in, "/audit?who=kim")) == ["Resumed", "Paused"]
    assert whats(look(signed_in, "/audit?who=lee+%26+co")) == ["Removed"]
    assert whats(look(signed_in, f"/audit?integration={one}")) == ["Removed", "Paused"]
    assert whats(look(signed_in, f"/audit?integration={two}&who=kim")) == ["Resumed"]
    assert len(whats(look(signed_in, "/audit?integration=x&after=-1&before=%00"))) == 3
    assert "No entry matches" in look(signed_in, "/audit?who=nobody")
    with app.app_context():
        assert people() == ["kim", "lee & co"]
        assert integrations() == [(one, "One"), (two, "Two")]


def test_entries_of_the_only_integration_can_be_told_from_those_of_none(
    app: Flask, signed_in: FlaskClient
) -> None:
    forget(app)
    note(app, "kim", "Signed in")
    assert '<select name="integration">' not in look(signed_in, "/audit")
    note(app, "kim", "Paused", on=an_active(app))
    assert '<select name="integration">' in look(signed_in, "/audit")


def test_an_integration_is_a_link_while_it_exists_and_a_name_for_ever(
    app: Flask, signed_in: FlaskClient
) -> None:
    one = an_active(app, "Kept")
    two = an_active(app, "Gone")
    note(app, "kim", "Paused", on=one)
    note(app, "kim", "Paused", on=two)
    with app.app_context(), write() as session:
        session.execute(delete(Integration).where(Integration.id == two))
    page = look(signed_in, "/audit")
    assert f'<a href="/integrations/{one}">Kept</a>' in page
    assert f'href="/integrations/{two}"' not in page
    assert "(removed)" in page


def test_an_entry_does_not_lead_to_a_later_integration_of_the_same_number(
    app: Flask, signed_in: FlaskClient
) -> None:
    one = an_active(app)
    with app.app_context(), write() as session:
        audit(session, "kim", "Paused", NOON - timedelta(days=1), session.get_one(Integration, one))
    assert f'href="/integrations/{one}"' not in look(signed_in, "/audit")


def test_hostile_text_is_shown_as_text(app: Flask, signed_in: FlaskClient) -> None:
    bad = "<script>alert(1)</script>"
    note(app, bad, bad, on=an_active(app, bad), detail=bad)
    assert "<script>alert" not in look(signed_in, "/audit")


def test_the_file_has_every_entry_of_the_filter_and_no_formula(app: Flask, signed_in: FlaskClient) -> None:
    forget(app)
    note(app, "lee", "Signed in")
    note(app, "=cmd()", *["Paused"] * (PAGE_SIZE + 5), on=an_active(app), detail="+1")
    rows = records_of(signed_in.post("/audit.csv"))
    assert len(rows) == PAGE_SIZE + 7
    assert (rows[0]["event"], rows[0]["severity"]) == ("Exported the audit trail", "information")
    assert (rows[1]["admin_user"], rows[1]["details"], rows[1]["integration"]) == (
        "'=cmd()",
        "'+1",
        "Head office",
    )
    assert "there" not in rows[0]
    assert len(records_of(signed_in.post("/audit.csv?who=lee"))) == 1
    with app.app_context():
        newest = db.session.scalars(db.select(AuditEntry.detail).order_by(AuditEntry.id.desc())).first()
    assert newest == "Filtered by: Admin user"


def test_a_sign_in_is_written_down_and_a_refused_one_leaves_no_typed_word(
    app: Flask, client: FlaskClient
) -> None:
    refused = ("Sign-in refused", "wrong name or password, from 127.0.0.1")
    client.post("/sign-in", data={"name": "my secret by mistake", "password": PASSWORD + "x"})
    assert written(app) == [("unknown", *refused)]
    client.post("/sign-in", data={"name": ADMINISTRATOR.upper(), "password": PASSWORD + "x"})
    client.post("/sign-in", data={"name": ADMINISTRATOR.upper(), "password": PASSWORD})
    assert sorted(written(app)) == sorted(
        [("unknown", *refused), (ADMINISTRATOR, *refused), (ADMINISTRATOR, "Signed in", "password")]
    )


def test_the_first_administrator_is_written_down(app: Flask) -> None:
    with app.app_context():
        code = setup_code.issue(now())
    data = {"code": code, "name": "Ada", "password": PASSWORD}
    assert app.test_client().post("/setup", data=data).status_code == 303
    assert sorted(written(app)) == [
        ("Ada", "Created the first administrator", ""),
        ("Ada", "Signed in", "password"),
    ]


def test_what_is_typed_at_the_machine_is_written_down(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert "users" in app.cli.commands, cli_users.__doc__
    for arguments in (["users", "add", "Ada"], ["users", "reset", "ada"]):
        assert runner.invoke(args=arguments, input=PASSWORD + "\n").exit_code == 0
    assert runner.invoke(args=["users", "reset", "nobody"], input=PASSWORD + "\n").exit_code == 1
    assert runner.invoke(args=["secrets", "rotate", "--dry-run"]).exit_code == 0
    assert runner.invoke(args=["secrets", "rotate"]).exit_code == 0
    assert written(app) == [
        ("command line", "Added a user", "Ada as administrator"),
        ("command line", "Reset a password", "Ada"),
        (
            "command line",
            "Rotated the secrets",
            "0 were sealed anew, 0 were current, 0 cannot be opened.",
        ),
    ]


def test_a_new_integration_is_written_down_with_its_maker(app: Flask, signed_in: FlaskClient) -> None:
    signed_in.post("/integrations", data={"kind": "workspace_one"})
    assert written(app)[-1] == (ADMINISTRATOR, "Created the integration", "")
    assert '<a href="/integrations/1">Workspace ONE Default</a>' in look(signed_in, "/audit")


@pytest.mark.parametrize(
    "filters",
    [
        Filters(FILTERS),
        Filters(FILTERS, {"who": "kim"}),
        Filters(FILTERS, {"integration": 1}),
        Filters(FILTERS, {"who": "kim", "integration": 1}),
        Filters(FILTERS, {"severity": "critical"}),
        Filters(FILTERS, {"module": "Policy"}),
    ],
)
@pytest.mark.parametrize("place", [BEGINNING, Place(after=Cursor(500)), Place(before=Cursor(5))])
def test_no_page_sorts_the_table(app: Flask, filters: Filters, place: Place) -> None:
    with app.app_context():
        plan = plan_of(NEWEST_FIRST.statement(entries(filters), place))
    assert not any("TEMP B-TREE" in line for line in plan), plan
    assert ("USING INDEX ix_audit_entry" in plan[0]) == bool(filters), plan


def test_it_can_be_narrowed_to_words_days_severity_and_module(app: Flask, signed_in: FlaskClient) -> None:
    forget(app)
    with app.app_context(), write() as session:
        audit(session, "kim", "Changed the policy", NOON, changes=[("Inactive after", "14", "7")])
        audit(session, "lee", "Signed in", NOON + timedelta(days=1), detail="From Zürich")
    day, next_day = f"{NOON:%Y-%m-%d}", f"{NOON + timedelta(days=1):%Y-%m-%d}"
    assert whats(look(signed_in, "/audit?q=zurich")) == ["Signed in"]
    assert whats(look(signed_in, "/audit?q=inactive+after")) == ["Changed the policy"]
    assert whats(look(signed_in, f"/audit?until={day}")) == ["Changed the policy"]
    assert whats(look(signed_in, f"/audit?since={next_day}&until={next_day}")) == ["Signed in"]
    assert whats(look(signed_in, "/audit?severity=warning")) == ["Changed the policy"]
    assert whats(look(signed_in, "/audit?module=Accounts")) == ["Signed in"]
    assert len(whats(look(signed_in, "/audit?since=0000-00-00&until=9999-12-31&module=x"))) == 2
    assert "Inactive after: 14 → 7" in look(signed_in, "/audit")


def test_the_page_says_when_the_chain_was_verified_and_what_is_wrong(
    app: Flask, signed_in: FlaskClient
) -> None:
    note(app, "kim", "Paused", "Resumed")
    assert "The worker verifies them once a day." in look(signed_in, "/audit")
    page = signed_in.post("/audit/verify", follow_redirects=True).get_data(as_text=True)
    assert "entries verified, none changed or missing" in page
    assert "none changed or missing" in page
    with app.app_context(), write() as session:
        session.execute(text("DROP TRIGGER audit_entry_changed"))
        session.execute(text("UPDATE audit_entry SET who = 'lee' WHERE what = 'Paused'"))
    page = signed_in.post("/audit/verify", follow_redirects=True).get_data(as_text=True)
    assert page.count("was changed after it was written") >= 2
    assert whats(look(signed_in, "/audit?severity=critical")) == ["Audit trail does not verify"]
