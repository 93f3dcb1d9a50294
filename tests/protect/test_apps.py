"""What a list of apps does to a device, on both databases (rung: shell)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from harmony.apps import install_base
from harmony.apps.inventory import MOST_KEPT, SeenApp, take_inventory
from harmony.db import db, release, write
from harmony.jobs.kinds import JobKind
from harmony.models import Action, App, AppException, AppReading, Finding, Job, Protection, Risk
from tests.builders import NOON, an_integration
from tests.protect.stored_apps import (
    CHAT,
    MAIL,
    MAPS,
    events,
    list_apps,
    open_findings,
    risk_of,
    some_devices,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("context")

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def device(context: object) -> int:
    return some_devices(an_integration(), 1)[0]


def except_app(app: SeenApp, action: Action, platform: str = "android") -> None:
    with write() as session:
        row = AppException(platform=platform, identifier=app.identifier, action=action, reason="", by="kim")
        row.at = NOON
        session.add(row)


def installs() -> dict[str, int]:
    return {f"{app.identifier} {app.version}": app.installs for app in db.session.scalars(select(App))}


def test_the_first_list_makes_no_events_and_the_next_one_tells_what_came_and_went(device: int) -> None:
    assert list_apps(device, MAPS, MAIL)
    assert events(device) == []
    assert list_apps(device, MAPS, CHAT)
    assert events(device) == [
        ("installed", "Chat (com.example.chat)"),
        ("removed", "Mail (com.example.mail)"),
    ]


def test_the_same_list_again_changes_nothing(device: int) -> None:
    list_apps(device, MAPS, MAIL)
    assert not list_apps(device, MAIL, MAPS, MAPS)
    assert db.session.get(Protection, device) is None


def test_an_update_is_no_event_but_moves_the_install_base(device: int) -> None:
    list_apps(device, MAPS)
    assert list_apps(device, MAPS._replace(version="1.3"))
    assert events(device) == []
    assert installs() == {"com.example.maps 1.2": 0, "com.example.maps 1.3": 1}


def test_an_app_in_two_profiles_counts_once_until_both_are_rid_of_it(device: int) -> None:
    list_apps(device, MAPS, profile="work")
    list_apps(device, MAPS, profile="personal")
    assert installs() == {"com.example.maps 1.2": 1}
    list_apps(device, profile="work")
    assert installs() == {"com.example.maps 1.2": 1}
    list_apps(device, profile="personal")
    assert installs() == {"com.example.maps 1.2": 0}


def test_two_workers_that_correct_the_install_base_at_once_correct_it_right(
    device: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_apps(device, MAPS)
    with write() as session:
        session.execute(update(App).values(installs=6))
    look = install_base._wrong

    def overtaken() -> Sequence[tuple[int, int]]:
        found = look()
        monkeypatch.setattr(install_base, "_wrong", look)
        release()
        install_base.recount()  # the other worker
        return found

    monkeypatch.setattr(install_base, "_wrong", overtaken)
    install_base.recount()
    assert installs() == {"com.example.maps 1.2": 1}


def test_the_install_base_is_corrected_in_portions_of_apps_and_of_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(install_base, "ROWS_PER_WRITE", 2)
    monkeypatch.setattr(install_base, "_DEVICES_PER_WRITE", 10)
    wrong = [(1, 0), (2, 0), (3, 12), (4, 9), (5, 9), (6, 1)]
    assert list(install_base._batches(wrong)) == [[1, 2], [3], [4, 5], [6]]
    assert list(install_base._batches([])) == []


def test_an_app_on_a_device_that_had_none_when_it_was_read_is_news(device: int) -> None:
    with write() as session:
        session.add(AppReading(device_id=device, read_at=NOON, listed_at=NOON))
        take_inventory(session, device, 1, "ios", "", [MAPS], NOON)
    assert events(device) == [("installed", "Maps (com.example.maps)")]


def test_rows_without_an_identifier_are_left_out_and_long_ones_cut(device: int) -> None:
    list_apps(device, SeenApp(" ", "1", "Nothing"), SeenApp("x" * 999, "9" * 99, "ß" * 999))
    [app] = db.session.scalars(select(App))
    assert [len(text) for text in (app.identifier, app.version, app.name, app.name_key)] == [
        256, 64, 256, 256,
    ]  # fmt: skip
    assert not list_apps(device, SeenApp("x" * 999, "9" * 99, "ß" * 999))


def test_a_blocked_app_makes_the_device_high_while_it_is_there(device: int) -> None:
    except_app(MAPS, Action.BLOCK)
    list_apps(device, MAIL)
    assert risk_of(device) is Risk.NONE
    list_apps(device, MAIL, MAPS, at=LATER)
    assert open_findings(device) == [("BLOCKED_APP", "com.example.maps", Risk.HIGH)]
    row = db.session.get_one(Protection, device)
    assert (row.risk, row.changed_at, row.status) == (Risk.HIGH, LATER, "provisioned")
    job = db.session.get_one(Job, (row.integration_id, JobKind.TAGGING))
    assert job.next_at == LATER + timedelta(seconds=20)
    list_apps(device, MAIL, at=LATER)
    assert (open_findings(device), risk_of(device)) == ([], Risk.NONE)
    assert [verb for verb, _ in events(device)] == ["installed", "detected", "removed", "ended"]


def test_a_list_that_is_not_whole_adds_apps_and_neither_removes_one_nor_says_so(device: int) -> None:
    except_app(MAPS, Action.BLOCK)
    list_apps(device, MAPS, MAIL)
    assert list_apps(device, CHAT, MAIL._replace(version="3.1"), at=LATER, whole=False)
    assert not list_apps(device, at=LATER, whole=False)
    assert risk_of(device) is Risk.HIGH
    installed = {app for app, count in installs().items() if count}
    assert installed == {"com.example.maps 1.2", "com.example.mail 3.1", "com.example.chat 7"}
    assert [verb for verb, _ in events(device)] == ["detected", "installed"]
    assert list_apps(device, CHAT, at=LATER)
    assert [verb for verb, _ in events(device)][2:] == ["removed", "removed", "ended"]


def test_lists_that_are_not_whole_add_no_more_than_so_many_and_still_remove_nothing(device: int) -> None:
    except_app(MAPS, Action.BLOCK)
    list_apps(device, MAPS)
    for start in (0, MOST_KEPT):
        many = [SeenApp(f"app{number}", "1", "") for number in range(start, start + MOST_KEPT)]
        list_apps(device, *many, at=LATER, whole=False)
    assert sum(installs().values()) == MOST_KEPT
    assert risk_of(device) is Risk.HIGH


def test_a_block_on_another_platform_does_not_count(device: int) -> None:
    except_app(MAPS, Action.BLOCK, platform="ios")
    list_apps(device, MAPS)
    assert open_findings(device) == []


def test_one_finding_for_both_profiles_that_ends_with_the_last_of_them(device: int) -> None:
    except_app(MAPS, Action.BLOCK)
    list_apps(device, MAPS, profile="work")
    list_apps(device, MAPS, profile="personal")
    assert len(open_findings(device)) == 1
    list_apps(device, profile="work")
    assert len(open_findings(device)) == 1
    list_apps(device, profile="personal")
    assert open_findings(device) == []


def test_an_exception_lowers_what_protect_reports_of_an_app_but_never_malware(device: int) -> None:
    with write() as session:
        for code, risk in (("HACKING_TOOL", Risk.MEDIUM), ("MALICIOUS_APP", Risk.HIGH)):
            row = Finding(device_id=device, profile="device", code=code, subject=MAPS.identifier)
            row.risk, row.opened_at = int(risk), NOON
            session.add(row)
    except_app(MAPS, Action.NO_RISK)
    list_apps(device, MAPS)
    assert open_findings(device) == [
        ("HACKING_TOOL", MAPS.identifier, Risk.NONE),
        ("MALICIOUS_APP", MAPS.identifier, Risk.HIGH),
    ]
    assert risk_of(device) is Risk.HIGH


def test_rows_that_the_caller_had_read_are_read_again(device: int) -> None:
    except_app(MAPS, Action.BLOCK)
    with write() as session:
        session.add(Protection(device_id=device, integration_id=1, changed_at=NOON, risk=0))
        session.flush()
        mine = session.get_one(Protection, device)
        take_inventory(session, device, 1, "android", "device", [MAPS], LATER)
        assert (mine.risk, mine.changed_at) == (Risk.HIGH, LATER)
