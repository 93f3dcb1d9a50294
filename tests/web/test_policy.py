"""The policy page: what it saves, refuses and shows (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete

from harmony.db import db, write
from harmony.jobs.queue import queue_of
from harmony.models import Finding, PolicyRecord
from harmony.protection import policy, policy_rollout
from harmony.protection.catalogue import CATALOGUE
from harmony.web.policy import forms as policy_forms
from tests.builders import NOON, an_integration
from tests.conftest import ADMINISTRATOR
from tests.protect.stored import found, open_codes, registered
from tests.web.reading import look

PAGE = "/settings/policy"


def values(app: Flask, **changes: str) -> dict[str, str]:
    """What a browser would send of the page as it stands, with something changed."""
    with app.test_request_context():
        version, record = policy.in_force(db.session())
        form = policy_forms.filled(record)
        sent = {
            field.name: str(field.data or "0")
            for field in form
            if not field.name.startswith(("os", "cl", "ends"))
        }
    return sent | {"version": str(version), "reason": "A test"} | changes


def in_force(app: Flask) -> tuple[int, PolicyRecord]:
    with app.app_context():
        return policy.in_force(db.session())


def test_a_new_dashboard_shows_the_defaults_and_every_threat_factor(signed_in: FlaskClient) -> None:
    page = look(signed_in, PAGE)
    assert "The defaults are in force." in page
    assert "Reset to defaults" not in page
    assert all(factor.name in page for factor in CATALOGUE.values())
    assert page.count("fixed</span>") == 2
    assert not re.search(r'name="risk_(MALICIOUS_APP|BLOCKED_APP|DEVICE_SILENT)"', page)


def test_saving_puts_a_version_in_force_and_rings_the_worker(app: Flask, signed_in: FlaskClient) -> None:
    sent = values(app, risk_ROOTED="2", inactive_days="9", os_ios=" 17.5 ")
    answer = signed_in.post(PAGE, data=sent)
    assert (answer.status_code, answer.location) == (303, PAGE)
    record = PolicyRecord(risks={"ROOTED": 2}, inactive_days=9, minimum_os={"ios": "17.5"})
    version, saved = in_force(app)
    assert (version, msgspec.structs.replace(saved, overrides={})) == (1, record)
    assert {code: (line.owner, line.reason) for code, line in saved.overrides.items()} == {
        "ROOTED": (ADMINISTRATOR, "A test")
    }
    assert queue_of(app).pending_count() == 1
    page = look(signed_in, PAGE)
    assert "Version 1 is in force. The worker rates every device anew." in page
    assert f"by {ADMINISTRATOR}" in page
    assert "Rooted: High → Medium" in page
    assert 'value="17.5"' in page


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"inactive_days": "0"}, "Enter a whole number from 1 to 90 days."),
        ({"inactive_days": "91"}, "Enter a whole number from 1 to 90 days."),
        (
            {"inactive_days": "7", "silent_days": "7"},
            "Enter fewer days than until Inactive (7), or 0 for never.",
        ),
        ({"silent_days": "x"}, "Enter a whole number from 0 to 89 days."),
        ({"os_ios": "seventeen"}, "Enter a version such as 17 or 17.5.1, or leave it empty."),
        ({"client_android": "1." * 40}, "Field cannot be longer than 64 characters."),
        ({"risk_ROOTED": "4"}, "Not a valid choice."),
        ({"silent_risk": ""}, "Not a valid choice."),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_and_kept(
    app: Flask, signed_in: FlaskClient, changes: dict[str, str], complaint: str
) -> None:
    answer = signed_in.post(PAGE, data=values(app, **changes))
    page = answer.get_data(as_text=True)
    assert (answer.status_code, in_force(app)[0]) == (422, 0)
    name = list(changes)[-1]
    assert f'<div class="error" id="{name}-error">' in page
    assert page.count(complaint) >= 2, "in the summary and beside the field"


def test_one_day_until_inactive_is_possible_without_silence(app: Flask, signed_in: FlaskClient) -> None:
    assert signed_in.post(PAGE, data=values(app, inactive_days="1", silent_days="0")).status_code == 303
    assert in_force(app)[1].silent_days == 0


def test_a_page_that_somebody_overtook_is_refused_and_can_be_sent_again(
    app: Flask, signed_in: FlaskClient
) -> None:
    mine = values(app, inactive_days="9")
    with app.app_context():
        policy.save(PolicyRecord(inactive_days=20), 0, "lee", NOON)
    answer = signed_in.post(PAGE, data=mine)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, in_force(app)[1].inactive_days) == (409, 20)
    assert "Somebody else saved the policy meanwhile" in page
    assert 'value="9"' in page
    seen = re.search(r'<input type="hidden" name="version" value="(\d+)">\s*<section', page)
    assert seen
    assert signed_in.post(PAGE, data=mine | {"version": seen[1]}).status_code == 303
    assert in_force(app)[1].inactive_days == 9
    assert signed_in.get(f"{PAGE}/reset").status_code == 200, "it shows the newest version first"


def test_saving_what_is_in_force_says_so(app: Flask, signed_in: FlaskClient) -> None:
    signed_in.post(PAGE, data=values(app))
    assert "nothing was changed" in look(signed_in, PAGE)
    assert (in_force(app)[0], queue_of(app).pending_count()) == (0, 0)


def test_reset_to_defaults_is_a_version_too(app: Flask, signed_in: FlaskClient) -> None:
    signed_in.post(PAGE, data=values(app, inactive_days="9"))
    page = look(signed_in, f"{PAGE}/reset")
    assert in_force(app)[0] == 1, "shown, and not saved"
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    assert signed_in.post(PAGE, data=hidden).status_code == 303
    assert in_force(app) == (2, PolicyRecord())
    assert "Days until Inactive: 9 → 7" in look(signed_in, PAGE)


def test_every_version_can_be_looked_up(app: Flask, signed_in: FlaskClient) -> None:
    for days in range(8, 16):
        signed_in.post(PAGE, data=values(app, inactive_days=str(days)))
    assert len(re.findall(r">Version \d+</a>", look(signed_in, PAGE))) == 5
    assert len(re.findall(r">Version \d+</a>", look(signed_in, f"{PAGE}/versions"))) == 8
    page = look(signed_in, f"{PAGE}/versions/2")
    assert "8 → 9" in page
    assert "Replaced" in page
    assert "<select" not in page
    assert "In force" in look(signed_in, f"{PAGE}/versions/8")
    assert signed_in.get(f"{PAGE}/versions/9").status_code == 404
    assert "No version was saved yet" not in look(signed_in, f"{PAGE}/versions")


def test_the_progress_asks_for_itself_only_while_devices_are_rated(
    app: Flask, signed_in: FlaskClient
) -> None:
    assert "hx-get" not in look(signed_in, f"{PAGE}/rating")
    with app.app_context():
        registered(an_integration(), 3)
    signed_in.post(PAGE, data=values(app, inactive_days="9", confirmed="y"))
    with app.app_context():
        assert policy_rollout.roll_out_range(NOON, 2) == 2
    running = look(signed_in, f"{PAGE}/rating")
    assert 'hx-get="/settings/policy/rating"' in running
    assert "2 of 3 devices are done" in running
    assert "2 of 3 devices are done" in look(signed_in, PAGE)
    with app.app_context():
        policy_rollout.roll_out(NOON + timedelta(minutes=1))
    done = look(signed_in, f"{PAGE}/rating")
    assert "hx-get" not in done
    assert "Version 1 is in force for every device: the worker has rated 3 devices." in done


def test_a_factor_that_the_catalogue_does_not_know_gets_its_risk_here(
    app: Flask, signed_in: FlaskClient
) -> None:
    assert policy_forms.NOT_IN_CATALOGUE not in look(signed_in, PAGE)
    with app.app_context():
        (id_,) = registered(an_integration())
        found(id_, "JUICE_JACKING", 2)
    assert 'name="risk_JUICE_JACKING"' in look(signed_in, PAGE)
    sent = values(app, risk_JUICE_JACKING="3", confirmed="y", **{"risk_no code": "3"})
    assert signed_in.post(PAGE, data=sent).status_code == 303
    version, saved = in_force(app)
    assert (version, saved.risks) == (1, {"JUICE_JACKING": 3})
    with app.app_context():
        policy_rollout.roll_out(NOON)
        assert open_codes(id_) == {"JUICE_JACKING": 3}
        with write() as session:
            session.execute(delete(Finding))
    assert 'name="risk_JUICE_JACKING"' in look(signed_in, PAGE), "the policy says something of it"
    assert "JUICE_JACKING: Medium → High" in look(signed_in, PAGE)
    assert policy_forms.NOT_IN_CATALOGUE in look(signed_in, f"{PAGE}/versions/1")
    signed_in.post(PAGE, data=values(app, inactive_days="9", confirmed="y"))
    assert in_force(app)[1].inactive_days == 9
    assert in_force(app)[1].risks == {"JUICE_JACKING": 3}
    assert signed_in.post(PAGE, data=values(app, risk_JUICE_JACKING="7")).status_code == 422


def test_a_changed_risk_needs_a_reason_and_nothing_else_does(app: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(PAGE, data=values(app, risk_ROOTED="2", reason=" ", inactive_days="9"))
    assert (answer.status_code, in_force(app)[0]) == (422, 0)
    page = answer.get_data(as_text=True)
    assert "Say why, for whoever looks at this next." in page
    assert 'value="9"' in page
    assert signed_in.post(PAGE, data=values(app, inactive_days="9", reason="")).status_code == 303
    signed_in.post(PAGE, data=values(app, risk_ROOTED="2"))
    kept = signed_in.post(PAGE, data=values(app, reason="", inactive_days="8"))
    assert (kept.status_code, in_force(app)[1].overrides["ROOTED"].reason) == (303, "A test")


def test_a_last_day_that_is_over_is_refused(app: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(PAGE, data=values(app, risk_ROOTED="2", ends_on="2020-01-01"))
    assert (answer.status_code, in_force(app)[0]) == (422, 0)
    assert "This day is over." in answer.get_data(as_text=True)
