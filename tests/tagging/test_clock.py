"""What was written while the clock was ahead does not count until that time has come. Rungs: pure, R."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from harmony.clock import now
from harmony.db import db, release, write
from harmony.models import Job, LinkState, TagLink, UemTag
from harmony.tagging import outbox
from harmony.tagging.evidence import TagVerdict, believed
from harmony.tagging.plan import Target
from tests.builders import NOON
from tests.tagging.fleet import a_fleet, device_of, protect, tag, tag_if_due
from tests.tagging.uem import TagUem

pytestmark = pytest.mark.usefixtures("context")

PROVISIONED, HIGH = "CHKP_Status_Provisioned", "CHKP_Risk_High"
MINUTE, HOUR, YEARS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=4000)


@pytest.mark.parametrize(
    ("state", "attempts", "ahead", "due"),
    [
        (LinkState.FAILED, 1, -MINUTE, True),
        (LinkState.FAILED, 1, 4 * MINUTE, False),
        (LinkState.FAILED, 1, 11 * MINUTE, True),
        (LinkState.FAILED, 3, 2 * HOUR, False),
        (LinkState.FAILED, 3, 3 * HOUR, True),
        (LinkState.FAILED, 5, 24 * HOUR, False),
        (LinkState.FAILED, 9, 24 * HOUR, False),
        (LinkState.FAILED, 9, 25 * HOUR, True),
        (LinkState.FAILED, 9, YEARS, True),
        (LinkState.DROPPED, 0, 24 * HOUR, False),
        (LinkState.DROPPED, 0, YEARS, True),
    ],
)
def test_a_link_waits_at_most_as_long_as_its_tries_say(
    state: LinkState, attempts: int, ahead: timedelta, due: bool
) -> None:
    id_ = a_fleet(1)
    tag(id_, TagUem(enrolled={"1"}))
    moment = now()
    with write() as session:
        values = {"state": state, "attempts": attempts, "next_try_at": moment + ahead, "present": False}
        session.execute(update(TagLink).values(values))
    found = list(outbox.targets(id_, "status:provisioned", True, moment))
    assert found == ([Target(device_of(id_, 1), "1")] if due else [])


def test_a_link_that_was_declined_while_the_clock_was_ahead_is_pushed_by_the_next_run() -> None:
    id_, uem = a_fleet(1), TagUem(enrolled={"1"}, locked={"1"})
    assert tag(id_, uem).state == "warning"
    with write() as session:
        session.execute(update(TagLink).values(next_try_at=now() + YEARS))
        session.execute(update(Job).values(next_at=NOON))
    uem.locked.clear()
    assert (tag_if_due(id_, uem).state, uem.carried("1")) == ("ok", {PROVISIONED})


def test_a_doubt_from_the_future_confirms_nothing() -> None:
    lost = {"a": TagVerdict.GONE, "b": TagVerdict.GONE}
    doubted = dict.fromkeys(lost, NOON + HOUR)
    assert set(believed(lost, lost, doubted, NOON).values()) == {TagVerdict.DISPUTED}


def test_tags_that_are_all_gone_are_doubted_for_as_long_whatever_the_clock_did() -> None:
    id_, uem = a_fleet(1), TagUem(enrolled={"1"})
    tag(id_, uem)
    before = ids(id_)
    uem.held.clear()
    with write() as session:
        session.execute(update(UemTag).values(doubted_at=now() + HOUR))
    for _ in range(2):
        assert tag(id_, uem, whole=True).state == "warning"
        assert ids(id_) == before
    doubted = [row.doubted_at for row in db.session.query(UemTag) if row.doubted_at is not None]
    release()
    assert len(doubted) == 6
    assert max(doubted) <= now(), "it begins anew"


def ids(id_: int) -> dict[str, str | None]:
    found = {row.name: row.external_id for row in db.session.query(UemTag).filter_by(integration_id=id_)}
    release()
    return found


def test_changes_since_a_run_from_the_future_are_all_looked_at() -> None:
    id_, uem = a_fleet(1), TagUem(enrolled={"1"})
    tag(id_, uem)
    with write() as session:
        session.execute(update(Job).values(done_up_to=now() + YEARS))
    protect(id_, 1, "active", 3)
    assert tag_if_due(id_, uem).state == "ok"
    assert HIGH in uem.carried("1")


def test_a_tag_that_was_read_in_the_future_is_read_back() -> None:
    id_, uem = a_fleet(1), TagUem(enrolled={"1"})
    tag(id_, uem)
    uem.named(PROVISIONED).devices.clear()
    with write() as session:
        session.execute(update(UemTag).values(checked_at=now() + YEARS))
        session.execute(update(Job).values(next_at=NOON))
    assert tag_if_due(id_, uem).state == "ok"
    assert uem.carried("1") == {PROVISIONED}
