"""Rotation of the token, and refusals that are counted (rung: shell, on both databases)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.registration import refusals
from harmony.models import AuditEntry, Device, Event, Integration, Verb
from harmony.setup import drafts, token_rotation
from harmony.sync import unlisted_expiry
from harmony.sync.deletion import soft_delete
from tests.protect.agent import TOKEN, Agent, an_open_integration, device_of, refusal

WEEK = timedelta(days=7)


def present_token(id_: int) -> str:
    db.session.rollback()
    token = drafts.token(db.session.get_one(Integration, id_))
    assert token is not None
    return token


def test_both_tokens_register_during_the_overlap_and_the_event_says_which(agent: Agent) -> None:
    id_ = an_open_integration(2)
    token_rotation.rotate(id_, WEEK, "kim", now())
    assert agent.register(token=TOKEN).status_code == 201
    assert agent.register(token=present_token(id_), udid="UDID1").status_code == 201
    details = db.session.scalars(select(Event.detail).where(Event.verb == Verb.REGISTERED).order_by(Event.id))
    assert list(details) == ["Profile: device; with the former token", "Profile: device"]


def test_a_replaced_token_is_refused_after_the_overlap_and_counted(agent: Agent) -> None:
    id_ = an_open_integration()
    token_rotation.rotate(id_, timedelta(0), "kim", now())
    for _ in range(3):
        assert refusal(agent.register(token=TOKEN)) == (401, "token_replaced")
    assert refusals.total(id_, {"token_replaced"}, now()) == 3
    refused = db.session.scalars(select(Event).where(Event.verb == Verb.REFUSED)).all()
    assert [event.integration_id for event in refused] == [id_], "a line a day, not one for each"


def test_an_overlap_can_be_ended_at_once(agent: Agent) -> None:
    id_ = an_open_integration()
    token_rotation.rotate(id_, WEEK, "kim", now())
    assert token_rotation.end_overlap(id_, "kim", now())
    assert not token_rotation.end_overlap(id_, "kim", now())
    assert refusal(agent.register(token=TOKEN)) == (401, "token_replaced")
    said = db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)).all()
    assert said[-2:] == ["Rotated the token", "Ended the overlap of the tokens"]


@pytest.mark.parametrize("udid", ["{DeviceUid}", "$UDID", "", "00000000-0000", "%csn%"])
def test_a_placeholder_is_refused_and_counted_for_its_integration(agent: Agent, udid: str) -> None:
    id_ = an_open_integration()
    assert refusal(agent.register(udid=udid)) == (422, "udid_placeholder")
    assert refusals.total(id_, refusals.PLACEHOLDERS, now()) == 1


def test_a_stranger_counts_for_nobody(agent: Agent) -> None:
    id_ = an_open_integration()
    assert refusal(agent.register(token="hmtoken_wrong", udid="{DeviceUid}")) == (401, "token_unknown")
    assert refusals.total(id_, refusals.PLACEHOLDERS | {"token_unknown"}, now()) == 0


def test_one_value_for_all_devices_is_refused_for_the_second(agent: Agent) -> None:
    id_ = an_open_integration(auto_addition=True)
    assert agent.register(udid="ALL-OF-US-1", serial="S1").status_code == 201
    assert refusal(agent.register(udid="ALL-OF-US-1", serial="S2")) == (409, "udid_not_unique")
    assert refusals.total(id_, refusals.PLACEHOLDERS, now()) == 1


def _fresh_as_of(id_: int, at: datetime) -> None:
    with write() as session:
        session.get_one(Integration, id_).fresh_as_of = at


def test_a_device_that_no_sync_lists_expires(agent: Agent) -> None:
    id_ = an_open_integration(auto_addition=True)
    assert agent.register(udid="NOBODY-LISTS-ME").status_code == 201
    later = now() + timedelta(days=15)
    assert unlisted_expiry.expire(later) == 0, "no sync has read everything since"
    _fresh_as_of(id_, later)
    assert unlisted_expiry.expire(later - timedelta(days=2)) == 0
    assert unlisted_expiry.expire(later) == 1
    assert unlisted_expiry.expire(later) == 0
    device = device_of("NOBODY-LISTS-ME")
    assert (device.deleted_by, device.deleted_at) == ("expiry", later)
    assert refusal(agent.register(udid="NOBODY-LISTS-ME")) == (410, "device_deleted")
    listed = db.session.scalars(select(Device.deleted_at).where(Device.added_by.is_(None))).all()
    assert listed == [None]


def test_two_workers_that_expire_devices_note_it_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = an_open_integration(auto_addition=True)
    assert agent.register(udid="NOBODY-LISTS-ME").status_code == 201
    later = now() + timedelta(days=15)
    _fresh_as_of(id_, later)
    delete_softly = soft_delete.delete_softly

    def overtaken(*arguments: Any) -> int:
        monkeypatch.setattr(soft_delete, "delete_softly", delete_softly)
        assert unlisted_expiry.expire(later) == 1  # the other worker
        return delete_softly(*arguments)

    monkeypatch.setattr(soft_delete, "delete_softly", overtaken)
    assert unlisted_expiry.expire(later) == 0
    said = select(AuditEntry.detail).where(AuditEntry.what == "Deleted devices")
    assert db.session.scalars(said).all() == ["1 devices that no sync has listed within 14 days"]
