"""The pages of destinations: secrets shown once, conflicts, tries, replays and roles (rung: web)."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.models import AuditEntry, Destination, FeedDelivery, Role
from harmony.outbound import delivery, destinations
from harmony.relay import connectors
from harmony.security.users import create_user
from harmony.security.vault import origin_of
from tests.conftest import PASSWORD
from tests.messages.test_gateways import running
from tests.outbound.senders import FILE, RecordedSender, events

PAGE = "/settings/destinations"
COMMON = {"name": "SIEM", "events": "y", "audits": "y", "least_severity": "warning", "start": "now"}
HOOK = COMMON | {"format": "webhook", "url": "https://hook.example/in?key=sesame"}
SYSLOG = COMMON | {"format": "cef", "host": "siem.example.com", "port": "6514", "tls": "y", "facility": "17",
                   "enterprise": "32473"}  # fmt: skip
COLLECTOR = COMMON | {"format": "ocsf", "url": "https://siem.example/collect", "token": "Bearer sesame"}
TYPED = {"webhook": HOOK, "syslog": SYSLOG, "http": COLLECTOR, "file": COMMON | {"format": "ocsf"}}


def saved(client: FlaskClient) -> Destination:
    with client.application.app_context():
        return db.session.scalars(select(Destination)).one()


def add_a_file(client: FlaskClient, count: int = 0) -> int:
    with client.application.app_context():
        id_, _ = destinations.add("file", FILE, False, "kim", now())
        if count:
            events(count)
        return id_


@pytest.mark.parametrize("kind", TYPED)
def test_each_kind_is_added_shown_and_changed(signed_in: FlaskClient, kind: str) -> None:
    assert signed_in.get(f"{PAGE}/new/{kind}").status_code == 200
    assert signed_in.post(f"{PAGE}/new/{kind}", data=TYPED[kind]).status_code == (
        200 if kind == "webhook" else 303
    )
    row = saved(signed_in)
    assert (row.kind, row.kinds, row.least_severity) == (kind, ["event", "audit"], "warning")
    page = signed_in.get(f"{PAGE}/{row.id}").text + signed_in.get(PAGE).text
    page += signed_in.get(f"{PAGE}/{row.id}/edit").text
    assert "SIEM" in page
    assert "sesame" not in page
    changed = TYPED[kind] | {"name": "Renamed", "edition": "1", "url": "", "token": "", "runs": "y"}
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=changed).status_code == 303
    again = saved(signed_in)
    assert (again.name, again.kinds, again.url) == ("Renamed", ["event", "audit", "run"], row.url)
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=changed).status_code == 409


def test_what_is_refused_and_mended_overwrites_no_save_of_somebody_else(signed_in: FlaskClient) -> None:
    signed_in.post(f"{PAGE}/new/webhook", data=HOOK)
    address = f"{PAGE}/{saved(signed_in).id}/edit"
    assert signed_in.post(address, data=HOOK | {"edition": "1", "name": "Theirs"}).status_code == 303
    refused = signed_in.post(address, data=HOOK | {"edition": "1", "name": ""})
    assert (refused.status_code, 'name="edition" value="1"' in refused.text) == (422, True)
    conflict = signed_in.post(address, data=HOOK | {"edition": "1"})
    assert (conflict.status_code, 'name="edition" value="2"' in conflict.text) == (409, True)


def test_the_secret_of_a_webhook_is_shown_once_and_kept_sealed(signed_in: FlaskClient) -> None:
    answer = signed_in.post(f"{PAGE}/new/webhook", data=HOOK)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]{44}", answer.text)
    assert secret
    row = saved(signed_in)
    assert secret[0] not in signed_in.get(f"{PAGE}/{row.id}").text + row.secret
    rotated = signed_in.post(f"{PAGE}/{row.id}/rotate")
    other = re.search(r"whsec_[A-Za-z0-9+/=]{44}", rotated.text)
    assert other
    assert other[0] != secret[0]
    assert "with the former secret too until" in signed_in.get(f"{PAGE}/{row.id}").text
    with signed_in.application.app_context():
        entries = db.session.scalars(select(AuditEntry)).all()
        said = " ".join(f"{entry.what} {entry.detail}" for entry in entries)
    assert "Rotated the secret of a destination SIEM (webhook, https://hook.example)" in said
    assert "sesame" not in said
    assert "whsec" not in said


def test_only_a_webhook_has_a_secret_to_rotate(signed_in: FlaskClient) -> None:
    assert signed_in.post(f"{PAGE}/{add_a_file(signed_in)}/rotate").status_code == 404


def test_a_token_is_sealed_for_its_server_and_never_goes_to_another(signed_in: FlaskClient) -> None:
    signed_in.post(f"{PAGE}/new/http", data=COLLECTOR)
    row = saved(signed_in)
    assert origin_of(row.secret) == "https://siem.example"
    elsewhere = COLLECTOR | {"url": "https://evil.example/collect", "token": "", "edition": "1"}
    answer = signed_in.post(f"{PAGE}/{row.id}/edit", data=elsewhere)
    assert answer.status_code == 422
    assert "The saved header is for another server" in answer.text
    same = COLLECTOR | {"url": "https://siem.example/other", "token": "", "edition": "1"}
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=same).status_code == 303


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("webhook", {"url": ""}, "Enter the address"),
        ("webhook", {"url": "ftp://hook.example"}, "https://"),
        ("webhook", {"format": "cef"}, "Not a valid choice"),
        ("syslog", {"host": "siem.example.com:6514"}, "Enter the name alone"),
        ("syslog", {"port": "0"}, "Enter a whole number"),
        ("syslog", {"certificate": "no certificate"}, "certificate"),
        ("http", {"token": "Bearer \u00e9"}, "as one line"),
        ("file", {"events": "", "audits": ""}, "Choose at least one kind"),
        ("file", {"name": ""}, "Give the destination a name"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    signed_in: FlaskClient, kind: str, wrong: dict[str, str], said: str
) -> None:
    answer = signed_in.post(f"{PAGE}/new/{kind}", data=TYPED[kind] | wrong)
    assert answer.status_code == 422
    assert said in answer.text


def test_the_outbound_policy_counts_for_destinations_too(signed_in: FlaskClient) -> None:
    signed_in.post(f"{PAGE}/new/webhook", data=HOOK | {"url": "https://169.254.169.254/"})
    signed_in.post(f"{PAGE}/new/syslog", data=SYSLOG | {"host": "169.254.169.254"})
    for id_ in (1, 2):
        answer = signed_in.post(f"{PAGE}/{id_}/test", follow_redirects=True).text
        assert "which may not be called: it is a cloud metadata service" in answer


def test_an_unknown_kind_is_no_page(signed_in: FlaskClient) -> None:
    assert signed_in.get(f"{PAGE}/new/pigeon").status_code == 404


def test_a_test_record_says_what_the_receiver_answered(signed_in: FlaskClient) -> None:
    with running() as receiver:
        signed_in.post(f"{PAGE}/new/webhook", data=HOOK | {"url": receiver.url})
        id_ = saved(signed_in).id
        taken = signed_in.post(f"{PAGE}/{id_}/test", follow_redirects=True).text
        receiver.status, receiver.body = 401, b"unknown key"
        refused = signed_in.post(f"{PAGE}/{id_}/test", follow_redirects=True).text
        (_path, body, _key), *_ = receiver.received
    assert body["type"] == "test.ping"
    assert "The test record was taken: 202 accepted" in taken
    assert "The test record was not taken. The receiver took nothing: 401 unknown key" in refused
    nobody = signed_in.post(f"{PAGE}/{id_}/test", follow_redirects=True).text
    assert "Nothing listens at 127.0.0.1" in nobody


def test_a_failing_destination_says_why_and_how_far_behind_it_is(signed_in: FlaskClient) -> None:
    id_ = add_a_file(signed_in, 7)
    with signed_in.application.app_context():
        failing = RecordedSender(fails=delivery.SendError("The disk is full."), fails_after=0)
        delivery.deliver(id_, opener=failing.open)
    page = signed_in.get(f"{PAGE}/{id_}").text
    assert "The disk is full." in page
    assert "Failing" in page
    assert "Try now" in page
    assert re.search(r'class="stat-value">7<', page)
    assert "Failing" in signed_in.get(PAGE).text
    assert signed_in.post(f"{PAGE}/{id_}/pause").status_code == 303
    assert "Paused" in signed_in.get(PAGE).text
    assert signed_in.post(f"{PAGE}/{id_}/resume").status_code == 303
    assert saved(signed_in).state == "active"


def test_a_delivery_and_everything_since_a_day_are_replayed(signed_in: FlaskClient) -> None:
    id_ = add_a_file(signed_in, 2)
    with signed_in.application.app_context():
        delivery.deliver(id_, opener=RecordedSender().open)
        delivery_id = db.session.scalars(select(FeedDelivery.id)).one()
    assert "Replay delivery" in signed_in.get(f"{PAGE}/{id_}").text
    assert signed_in.post(f"{PAGE}/{id_}/deliveries/{delivery_id}/replay").status_code == 303
    with signed_in.application.app_context():
        assert db.session.scalars(select(FeedDelivery.next_at)).one() is not None
    before = saved(signed_in).cursor
    answer = signed_in.post(f"{PAGE}/{id_}/replay", data={"since": "2020-01-01"}, follow_redirects=True)
    assert "are looked at once more" in answer.text
    assert saved(signed_in).cursor < before
    assert signed_in.post(f"{PAGE}/{id_}/replay", data={"since": "soon"}).status_code == 422


def test_records_that_were_lost_are_said(signed_in: FlaskClient) -> None:
    id_ = add_a_file(signed_in)
    with signed_in.application.app_context(), write() as session:
        session.get_one(Destination, id_).lost = 12
    assert "12 records were removed before they had been sent" in signed_in.get(f"{PAGE}/{id_}").text


def test_a_removed_destination_is_gone_with_its_deliveries(signed_in: FlaskClient) -> None:
    id_ = add_a_file(signed_in)
    assert signed_in.post(f"{PAGE}/{id_}/remove").status_code == 303
    assert signed_in.get(f"{PAGE}/{id_}").status_code == 404
    assert "No destination yet" in signed_in.get(PAGE).text


def test_an_operator_acts_on_a_destination_and_changes_none(signed_in: FlaskClient) -> None:
    id_ = add_a_file(signed_in)
    with signed_in.application.app_context():
        create_user("olav", PASSWORD, Role.OPERATOR, now())
    other = signed_in.application.test_client()
    other.post("/sign-in", data={"name": "olav", "password": PASSWORD})
    page = other.get(f"{PAGE}/{id_}").text
    assert "Send test" in page
    assert "Remove this destination" not in page
    assert other.post(f"{PAGE}/{id_}/pause").status_code == 303
    for path in (f"{PAGE}/new/file", f"{PAGE}/{id_}/edit"):
        assert other.get(path).status_code == 403
    for path in (f"{PAGE}/new/file", f"{PAGE}/{id_}/edit", f"{PAGE}/{id_}/rotate", f"{PAGE}/{id_}/remove"):
        assert other.post(path).status_code == 403


@pytest.mark.parametrize("kind", ["webhook", "syslog", "http"])
def test_a_destination_inside_a_network_is_reached_through_a_connector(
    signed_in: FlaskClient, kind: str
) -> None:
    assert 'name="connector"' not in signed_in.get(f"{PAGE}/new/{kind}").text
    with signed_in.application.app_context():
        connectors.add("Head office", "admin", now())
    assert "Head office" in signed_in.get(f"{PAGE}/new/{kind}").text
    typed = TYPED[kind] | {"connector": "Head office"}
    refused = signed_in.post(f"{PAGE}/new/{kind}", data=typed | {"connector": "Nowhere"})
    assert (refused.status_code, "There is no Connector Nowhere in use" in refused.text) == (422, True)
    assert signed_in.post(f"{PAGE}/new/{kind}", data=typed).status_code in {200, 303}
    row = saved(signed_in)
    assert "Head office" in signed_in.get(f"{PAGE}/{row.id}").text
    assert '<option selected value="Head office">' in signed_in.get(f"{PAGE}/{row.id}/edit").text
    tried = signed_in.post(f"{PAGE}/{row.id}/test", follow_redirects=True).text
    assert "No agent of Connector Head office has connected yet" in tried
    changed = TYPED[kind] | {"edition": "1", "connector": ""}
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=changed).status_code == 303
    assert "connector" not in saved(signed_in).options


@pytest.fixture
def sites(signed_in: FlaskClient) -> tuple[str, str]:
    """The names of two Connectors."""
    with signed_in.application.app_context():
        for name in ("Site A", "Site B"):
            connectors.add(name, "admin", now())
    return "Site A", "Site B"


@pytest.mark.parametrize(("before", "after"), [("", "Site A"), ("Site A", "Site B"), ("Site A", "")])
@pytest.mark.parametrize("kind", ["webhook", "http"])
def test_what_is_secret_is_typed_again_for_another_connector(
    signed_in: FlaskClient, sites: tuple[str, str], kind: str, before: str, after: str
) -> None:
    signed_in.post(f"{PAGE}/new/{kind}", data=TYPED[kind] | {"connector": before})
    row = saved(signed_in)
    moved = TYPED[kind] | {"edition": "1", "connector": after}
    without = {"url": "", "token": ""}
    answer = signed_in.post(f"{PAGE}/{row.id}/edit", data=moved | without)
    assert (answer.status_code, saved(signed_in).edition) == (422, 1)
    assert "The Connector was changed: enter the address again." in answer.text
    assert ("enter the header again" in answer.text) is (kind == "http")
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=moved).status_code == 303
    kept = moved | without | {"edition": "2", "name": "Renamed"}
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=kept).status_code == 303
    with signed_in.application.app_context():
        entries = db.session.scalars(select(AuditEntry)).all()
        changes, details = [entry.changes for entry in entries], [entry.detail for entry in entries]
    assert f'["Connector", "{before}", "{after}"]' in "".join(changes)
    assert any("through Connector Site A)" in detail for detail in details)


@pytest.mark.parametrize("kind", ["webhook", "http"])
def test_what_is_secret_never_opens_for_another_connector(
    signed_in: FlaskClient, sites: tuple[str, str], kind: str
) -> None:
    signed_in.post(f"{PAGE}/new/{kind}", data=TYPED[kind] | {"connector": "Site A"})
    id_ = saved(signed_in).id
    with signed_in.application.app_context(), write() as session:
        session.get_one(Destination, id_).options = {"connector": "Site B"}
    tried = signed_in.post(f"{PAGE}/{id_}/test", follow_redirects=True).text
    assert "was entered for another Connector" in tried


@pytest.mark.parametrize("kind", ["webhook", "syslog", "http"])
def test_a_form_without_the_choice_of_a_connector_keeps_it(
    signed_in: FlaskClient, sites: tuple[str, str], kind: str
) -> None:
    signed_in.post(f"{PAGE}/new/{kind}", data=TYPED[kind] | {"connector": "Site A"})
    row = saved(signed_in)
    again = TYPED[kind] | {"edition": "1", "url": "", "token": "", "name": "Renamed"}
    assert signed_in.post(f"{PAGE}/{row.id}/edit", data=again).status_code == 303
    after = saved(signed_in)
    assert (after.name, after.options["connector"]) == ("Renamed", "Site A")
