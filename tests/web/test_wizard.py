"""The wizard against a simulated UEM over real TLS (rung S), as a browser without JavaScript sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Integration, IntegrationState
from harmony.models.configuration import SERVER, SYNCHRONIZATION, ServerDetails, Synchronization, from_row
from harmony.setup import apply
from harmony.simulator.actions import ACTIONS
from harmony.simulator.arguments import Arguments
from harmony.simulator.server import RunningSimulator
from harmony.sync import job as sync_job
from tests.faults.certs import a_certificate
from tests.web.walking import Walk, form_of

pytestmark = pytest.mark.usefixtures("uem")


def stored(app: Flask, walk: Walk) -> Integration:
    with app.app_context():
        integration = db.session.get_one(Integration, walk.id)
        assert integration.pages is not None
        db.session.expunge_all()
        return integration


def test_from_the_first_page_to_an_integration_that_syncs(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    integration = stored(app, walk)
    assert integration.state == IntegrationState.ACTIVE
    assert integration.sync_job.next_at is not None
    assert now() - integration.sync_job.next_at < timedelta(seconds=10)
    with app.app_context():
        sync_job.sync(walk.id)
    page = signed_in.get(f"/integrations/{walk.id}").get_data(as_text=True)
    assert 'data-state="warning"' in page
    assert "could not be read" in page
    assert "Devices" in signed_in.get("/devices").get_data(as_text=True)


def test_the_group_list_fills_itself_with_types_and_counts(signed_in: FlaskClient) -> None:
    page = Walk.begin(signed_in).to_synchronization().look("synchronization")
    assert page.count('name="groups"') == 25
    assert "Customer" in page
    assert "Smart group" in page
    assert 'value="organization:570"' in page
    assert 'class="picklist-count"' in page


def test_next_is_refused_until_verify_passed_for_these_values(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    answer = walk.send("server")
    assert answer.status_code == 422
    assert "Press Verify first" in answer.get_data(as_text=True)
    walk.verify("server")
    answer = walk.send("server", display_name="Another name")
    assert answer.status_code == 422
    assert form_of(walk.look("server"))["display_name"] == "Another name"


def test_the_same_secret_typed_again_needs_no_other_verify(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    secret = uem.credentials.client_secret
    walk = Walk.begin(signed_in)
    walk.verify("server", client_secret=secret)
    assert walk.send("server", client_secret=secret).location.endswith("/setup/synchronization")
    assert walk.send("server", client_secret="another").status_code == 422
    walk.verify("server", client_secret=secret)
    walk.to_deployment().finish()
    edition = stored(app, walk).page(SERVER).edition  # type: ignore[union-attr]
    assert walk.send("server", client_secret=secret).location == f"/integrations/{walk.id}"
    assert stored(app, walk).page(SERVER).edition == edition  # type: ignore[union-attr]
    # What is in force is known too, whatever was tried and given up since.
    assert walk.send("server", client_secret="another").status_code == 422
    assert walk.send("server", client_secret=secret).location == f"/integrations/{walk.id}"


def test_the_same_secret_typed_for_another_server_needs_a_verify(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    secret = uem.credentials.client_secret
    walk = Walk.begin(signed_in).to_deployment().finish()
    answer = walk.send("server", server_address="https://127.0.0.1:9", client_secret=secret)
    assert answer.status_code == 422
    assert "Press Verify first" in answer.get_data(as_text=True)


def test_the_order_of_the_pages_is_kept_by_the_server(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    for page in ("synchronization", "tagging", "deployment"):
        assert signed_in.get(walk.href(page)).location.endswith("/setup/server")
        assert signed_in.post(walk.href(page), data={}).status_code == 409
        assert signed_in.post(walk.href(page) + "/verify", data={}).status_code in {404, 409}
    assert signed_in.get(walk.href("nonsense")).status_code == 404


def test_a_draft_can_be_left_and_resumed_where_it_was(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    answer = signed_in.get(f"/integrations/{walk.id}", follow_redirects=True)
    assert answer.request.path == walk.href("tagging")
    assert "Simulated UEM" in signed_in.get("/integrations").get_data(as_text=True)


def test_a_stored_secret_is_never_rendered_and_empty_means_keep(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in)
    page = walk.verify("server")
    assert uem.credentials.client_secret not in page
    assert "Leave empty to keep what is saved." in page
    assert form_of(page)["client_secret"] == ""
    sealed = from_row(ServerDetails, stored(app, walk).page(SERVER).draft).client_secret  # type: ignore[union-attr]
    assert sealed.startswith("v2.")
    assert sealed not in page
    assert walk.send("server").status_code == 303


def test_a_wrong_secret_is_answered_by_verify_with_words(signed_in: FlaskClient) -> None:
    page = Walk.begin(signed_in).verify("server", client_secret="wrong-canary")
    assert 'class="danger failed"' in page
    assert "wrong-canary" not in page
    assert "OAuth Client Management" in page


def test_a_moved_address_asks_for_the_secret_again(signed_in: FlaskClient, uem: RunningSimulator) -> None:
    walk = Walk.begin(signed_in)
    answer = walk.send("server", "/verify", server_address="https://127.0.0.1:9")
    assert answer.status_code == 422
    says = f"Enter the Client Secret again: the saved one belongs to {uem.url}."
    assert says in answer.get_data(as_text=True)
    answer = walk.send("server", "/verify", token_other="https://127.0.0.1:9/connect/token")
    assert answer.status_code == 422
    assert uem.tenant.meter.calls == {} or "/connect/token" not in str(uem.tenant.meter.calls)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("display_name", " ", "Give the integration a name."),
        ("server_address", "", "Enter the address of the UEM"),
        ("client_id", "", "Enter the Client ID"),
        ("token_other", "", "Enter the token address"),
        ("certificate", "no certificate", "PEM"),
        ("certificate", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----", "private key"),
    ],
)
def test_each_field_of_the_first_page_says_what_is_wrong_and_loses_nothing(
    signed_in: FlaskClient, name: str, value: str, sentence: str
) -> None:
    walk = Walk.begin(signed_in)
    answer = walk.send("server", "/verify", client_secret="typed-canary", **{name: value})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in text
    assert "data-autofocus-summary" in text
    assert "typed-canary" not in text
    assert "BEGIN PRIVATE KEY" not in text
    if name != "display_name":
        assert form_of(text)["display_name"] == "Simulated UEM"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "device_interval",
            ("10", "20", "1440"),
            ("9", "15", "1450", "", "ten", "1_0", "10.0", "99999999999"),
        ),
        ("app_interval", ("10", "1440"), ("0", "9", "1441")),
        ("deletion_threshold", ("0", "100"), ("-1", "101", "x")),
        ("deletion_after", ("1", "100"), ("0", "101")),
    ],
)
def test_the_numbers_of_the_second_page_keep_their_ranges(
    signed_in: FlaskClient, name: str, good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    groups = ["organization:570"]
    for value in good:
        assert walk.send("synchronization", "/verify", groups=groups, **{name: value}).status_code == 303
    for value in bad:
        answer = walk.send("synchronization", "/verify", groups=groups, **{name: value})
        assert answer.status_code == 422, value
        assert "Enter a whole number from" in answer.get_data(as_text=True)
        assert form_of(answer.get_data(as_text=True)).getlist("groups") == groups


def test_everything_that_is_wrong_is_said_in_one_answer(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    text = walk.send("server", "/verify", self_signed="y").get_data(as_text=True)
    for sentence in (
        "Enter the address",
        "Enter the Client ID",
        "Enter the Client Secret",
        "paste its PEM text",
    ):
        assert sentence in text


def test_a_group_must_be_chosen_and_android_groups_are_of_the_chosen(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    assert "Choose at least one group." in walk.send("synchronization").get_data(as_text=True)
    other = {"groups": ["organization:570"], "android_enterprise": ["organization:571"]}
    answer = walk.send("synchronization", "/verify", **other)
    assert answer.status_code == 422
    assert "Only groups chosen above" in answer.get_data(as_text=True)
    walk.verify("synchronization", groups=["organization:570"], android_enterprise=["organization:570"])
    row = stored(app, walk).page(SYNCHRONIZATION)
    assert row is not None
    (group,) = from_row(Synchronization, row.draft).groups
    assert (group.external_id, group.android_enterprise) == ("570", True)


def test_the_android_part_offers_the_groups_that_are_chosen_on_the_page(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    part = walk.send(
        "synchronization", "/android-enterprise-groups", groups=["organization:571", "smart:4211"]
    )
    text = part.get_data(as_text=True)
    assert part.status_code == 200
    assert text.count('name="android_enterprise"') == 2
    assert "<html" not in text


def test_a_group_that_is_gone_from_the_uem_fails_verify(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    ACTIONS["groups/delete"](uem.tenant, Arguments({"group": 571}))
    page = walk.verify("synchronization", groups=["organization:571"])
    assert "The account no longer sees" in page


def test_one_verify_is_enough_for_a_group_that_was_renamed_in_the_uem(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    """The new name is read by Verify itself, so it is no other choice than the one that was verified."""
    walk = Walk.begin(signed_in).to_deployment("organization:571").finish()
    with uem.tenant.world.lock:
        uem.tenant.world.groups[571] = replace(uem.tenant.world.groups[571], name="Renamed meanwhile")
    walk.verify("synchronization")
    page = walk.look("synchronization")
    assert "Renamed meanwhile" in page
    assert "This was for other values" not in page
    assert walk.send("synchronization").location == f"/integrations/{walk.id}"
    row = stored(app, walk).page(SYNCHRONIZATION)
    assert row is not None
    assert [group.name for group in from_row(Synchronization, row.applied).groups] == ["Renamed meanwhile"]
    assert "not in force yet" not in walk.look("synchronization")


def test_a_group_that_is_gone_stays_on_the_page_until_it_is_unticked(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment("organization:570", "organization:571").finish()
    ACTIONS["groups/delete"](uem.tenant, Arguments({"group": 571}))
    page = walk.verify("synchronization")
    assert "The account no longer sees this group." in page
    assert "Untick what was deleted in the UEM" in page
    assert set(form_of(page).getlist("groups")) == {"organization:570", "organization:571"}
    assert walk.send("synchronization").status_code == 422
    walk.verify("synchronization", groups=["organization:570"])
    assert walk.send("synchronization").location == f"/integrations/{walk.id}"
    assert "no longer sees" not in walk.look("synchronization").partition('id="verification"')[0]


def test_the_token_is_shown_to_be_copied_and_stays_the_same(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment()
    page = walk.look("deployment")
    assert 'value="hmtoken_' in page
    assert walk.look("deployment") == page


def test_two_tabs_the_second_is_told_and_keeps_what_was_typed(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    values = form_of(walk.look("server"))
    walk.send("server", display_name="From the first tab")
    values["display_name"] = "From the second tab"
    answer = signed_in.post(walk.href("server"), data=values)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert form_of(text)["display_name"] == "From the second tab"
    assert signed_in.post(walk.href("server"), data=form_of(text)).status_code == 422


def test_editing_a_running_integration_applies_only_what_is_verified(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    version = stored(app, walk).version
    assert walk.send("synchronization", device_interval="120").status_code == 422
    row = stored(app, walk).page(SYNCHRONIZATION)
    assert row is not None
    assert from_row(Synchronization, row.applied).device_interval == 60
    assert "not in force yet" in walk.look("synchronization")
    walk.verify("synchronization")
    assert walk.send("synchronization").location == f"/integrations/{walk.id}"
    after = stored(app, walk)
    row = after.page(SYNCHRONIZATION)
    assert row is not None
    assert from_row(Synchronization, row.applied).device_interval == 120
    assert after.version == version + 1


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"kind": "html"}, "HTML"),
        ({"kind": "server_error"}, "503"),
        ({"kind": "unauthorized"}, "401"),
        ({"kind": "empty_200"}, "empty"),
        ({"kind": "forbidden"}, "may not do this"),
    ],
)
def test_a_uem_in_trouble_is_answered_with_a_sentence(
    signed_in: FlaskClient, uem: RunningSimulator, fault: dict[str, str], word: str
) -> None:
    ACTIONS["faults"](uem.tenant, Arguments(fault))
    page = Walk.begin(signed_in).verify("server")
    assert 'class="danger failed"' in page
    assert word.lower() in page.lower()
    assert uem.credentials.client_secret not in page


def test_a_uem_that_is_down_is_answered_with_a_sentence(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in)
    uem.stop()
    page = walk.verify("server")
    assert 'class="danger failed"' in page
    assert "Not tried" in page
    assert form_of(page)["display_name"] == "Simulated UEM"


def test_user_name_and_api_key_work_as_well(signed_in: FlaskClient, uem: RunningSimulator) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    mine = uem.credentials
    basic = {
        "server_address": uem.url,
        "username": mine.username,
        "password": mine.password,
        "api_key": mine.api_key,
        "self_signed": "y",
        "certificate": uem.ca_pem,
    }
    page = walk.verify("server", drop=("use_oauth2",), **basic)
    assert 'class="danger failed"' not in page
    assert walk.send("server").location.endswith("/setup/synchronization")
    answer = walk.send("server", "/verify", password="")
    assert answer.status_code == 303


def test_what_is_pasted_around_the_values_does_no_harm_and_what_was_left_out_is_told(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    mine, ended = uem.credentials, a_certificate("former.corp", days=(-90, -2))
    pasted = {
        "server_address": f"\ufeff{uem.url}/AirWatch/#/Dashboard\u200b",
        "username": f"\u2060{mine.username}\u00a0",
        "password": f"{mine.password}\r\n",
        "api_key": f"\t{mine.api_key}\u200b",
        "self_signed": "y",
        "certificate": f"\u00a0{uem.ca_pem}{ended.pem}".replace("\n", "\r\n  "),
    }
    page = walk.verify("server", drop=("use_oauth2",), **pasted)
    assert 'class="danger failed"' not in page
    assert "Left out: former.corp expired on" in page
    assert form_of(page)["server_address"] == uem.url
    assert form_of(page)["username"] == mine.username


def test_groups_that_another_integration_reads_are_refused_beside_the_field(signed_in: FlaskClient) -> None:
    Walk.begin(signed_in).to_deployment("organization:570").finish()
    second = Walk.begin(signed_in).to_synchronization()
    for groups in (["organization:570"], ["organization:571"]):
        for suffix in ("/verify", ""):
            answer = second.send("synchronization", suffix, groups=groups)
            text = answer.get_data(as_text=True)
            assert answer.status_code == 422
            assert 'id="groups-error"' in text
            assert text.count("(in Simulated UEM)") >= 2
            assert form_of(text).getlist("groups") == groups


def test_an_overlap_that_came_up_meanwhile_is_refused_at_finish(signed_in: FlaskClient) -> None:
    first = Walk.begin(signed_in).to_deployment("organization:571")
    second = Walk.begin(signed_in).to_deployment("organization:571")
    first.finish()
    answer = second.send("deployment")
    assert answer.status_code == 422
    assert "are the same group of the same server" in answer.get_data(as_text=True)
    assert signed_in.get(f"/integrations/{second.id}").location.endswith(f"/integrations/{second.id}/setup")


@pytest.mark.parametrize("suffix", ["", "/verify?then=next"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (apply.Overlapping("Both read Acme."), "Both read Acme."),
        (apply.NotVerified(SERVER), "not verified yet"),
    ],
)
def test_what_came_between_verify_and_save_is_said_on_the_page(
    signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch, suffix: str, error: Exception, words: str
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()

    def refuse(*_args: object) -> int:
        raise error

    monkeypatch.setattr(apply, "save", refuse)
    answer = walk.send("synchronization", suffix)
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)


def test_switching_a_name_off_clears_it_at_once_and_says_so(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    with app.app_context():
        sync_job.sync(walk.id)
        assert set(db.session.scalars(db.select(Device.name))) != {""}
    assert walk.send("synchronization", "/verify", drop=("import_name",)).status_code == 303
    answer = walk.send("synchronization")
    assert answer.location == f"/integrations/{walk.id}"
    page = signed_in.get(answer.location).get_data(as_text=True)
    assert "The personal data that is no longer imported was cleared from" in page
    with app.app_context():
        assert set(db.session.scalars(db.select(Device.name))) == {""}
        lease.request(walk.id, JobKind.DEVICES, "test", now())
        sync_job.sync(walk.id)
        assert set(db.session.scalars(db.select(Device.name))) == {""}


def test_the_page_says_which_defaults_are_ours_and_what_is_advised(signed_in: FlaskClient) -> None:
    page = Walk.begin(signed_in).to_synchronization().look("synchronization")
    defaults = ("Default: 60.", "Default: 1440.", "Default: 20.", "Default: 3.")
    for words in (*defaults, "few devices, 100 is advised"):
        assert words in page
    values = form_of(page)
    assert [values[name] for name in ("device_interval", "app_interval")] == ["60", "1440"]
    assert [values[name] for name in ("deletion_threshold", "deletion_after", "delta")] == ["20", "3", "y"]


def test_the_refreshing_between_syncs_can_be_switched_off(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    walk.send("synchronization", "/verify", groups=["organization:570"], drop=("delta",))
    row = stored(app, walk).page(SYNCHRONIZATION)
    assert row is not None
    assert not from_row(Synchronization, row.draft).delta
