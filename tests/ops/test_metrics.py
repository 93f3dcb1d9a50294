"""Rung R: `/metrics` tells whoever has the token what the database says, and nothing personal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.config import Settings
from harmony.db import write
from harmony.models import ChannelKind, JobRun, Message, MessageKind, Worker
from harmony.ops.metrics.exposition import Family, Sample, exposition
from harmony.ops.metrics.requests import RequestCounts
from harmony.sync import removal_undo
from tests.builders import NOON, a_choice, an_integration
from tests.database import on_both
from tests.protect.stored import protector
from tests.stored import a_hold, devices

TOKEN = "t" * 40
LINE = re.compile(r'harmony_[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? (-?\d+(\.\d+)?(e-?\d+)?|\+Inf)')
database = on_both


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, metrics_token=TOKEN)


@pytest.fixture
def full(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    with app.app_context():
        id_ = an_integration(a_choice("570", deletion_after=1), name='Head "office"')
        a_hold(id_, 10, 6)
        protector(devices(id_)[0].id)
        with write() as session:
            session.add(Worker(identity="w", started_at=NOON, seen_at=NOON))
            session.add(
                Message(
                    kind=MessageKind.TEST, channel=ChannelKind.EMAIL, key="k", next_at=NOON,
                    created_at=NOON, created_by="admin",
                )
            )  # fmt: skip
            session.add(
                JobRun(
                    integration_id=id_, kind="apps", state="ok", started_by="schedule", started_at=NOON,
                    heartbeat_at=NOON, finished_at=NOON, owner="w", fence=1,
                )
            )  # fmt: skip
        yield client


def read(client: FlaskClient) -> str:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return answer.get_data(as_text=True)


def values(text: str, name: str) -> dict[str, float]:
    found = re.findall(rf"^harmony_{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_every_line_can_be_read_and_every_name_is_explained_once(full: FlaskClient) -> None:
    text = read(full)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    helped, typed = (re.findall(rf"^# {word} (\S+)", text, re.MULTILINE) for word in ("HELP", "TYPE"))
    assert helped == typed
    assert len(set(helped)) == len(helped) >= 13
    assert text.endswith("\n")


def test_it_says_what_the_database_says(full: FlaskClient) -> None:
    text = read(full)
    assert 'integration_info{integration="1",name="Head \\"office\\"",condition="active"} 1' in text
    assert sum(values(text, "devices").values()) == 10
    assert sum(values(text, "devices_by_risk").values()) == 10
    assert values(text, "held_deletions") == {'{integration="1"}': 6}
    assert values(text, "messages_waiting") == {'{channel="email"}': 1}
    assert values(text, "worker_seen_timestamp_seconds") == {"": NOON.timestamp()}
    good = values(text, "run_good_timestamp_seconds")
    assert good['{integration="1",job="apps"}'] == NOON.timestamp()


def test_requests_are_counted_by_endpoint_and_class(full: FlaskClient) -> None:
    full.get("/healthz")
    full.get("/nothing/like/that")
    text = read(full)
    assert values(text, "http_requests_total")['{endpoint="health.healthz",class="2xx"}'] == 1
    assert "like" not in text, "what a client typed is no label"


def test_nothing_of_devices_or_users_is_in_it(full: FlaskClient) -> None:
    text = read(full)
    assert not re.search(r"kim|@|UDID|admin|\+49", text)


@pytest.mark.parametrize(
    "sent", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9"]
)
def test_without_the_token_nothing_is_told(client: FlaskClient, sent: str | None) -> None:
    answer = client.get("/metrics", headers={} if sent is None else {"Authorization": sent})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"harmony_" not in answer.get_data()


def test_a_sign_in_does_not_open_it(signed_in: FlaskClient) -> None:
    assert signed_in.get("/metrics").status_code == 401


def test_buckets_of_a_histogram_add_up() -> None:
    counts = RequestCounts()
    for took in (0.001, 0.02, 0.02, 60.0):
        counts.add("devices.index", 200, took)
    text = exposition(counts.families())
    buckets = [float(value) for value in re.findall(r"_bucket\{.*\} (\S+)", text)]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values(text, "http_request_seconds_count")['{part="pages"}'] == 4
    assert 'le="0.025"} 3' in text


def test_a_family_without_samples_is_left_out() -> None:
    assert exposition([Family("x", "X.", [])]) == ""
    assert exposition([Family("x", "X.", [Sample(0.5)])]).endswith("harmony_x 0.5\n")


class TestOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, metrics_token="")

    def test_without_a_token_in_the_settings_there_is_no_such_page(self, client: FlaskClient) -> None:
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_an_integration_whose_removal_can_be_undone_has_no_sample(app: Flask, full: FlaskClient) -> None:
    asked = {"Authorization": f"Bearer {TOKEN}"}
    assert 'integration="1"' in full.get("/metrics", headers=asked).get_data(as_text=True)
    with app.app_context():
        assert removal_undo.hide(1, "kim", NOON)
    assert 'integration="' not in full.get("/metrics", headers=asked).get_data(as_text=True)
