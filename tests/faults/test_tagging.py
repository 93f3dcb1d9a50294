"""Writing tags into trouble: permissions, limits, deaths and administrators. Rung S: sockets and TLS."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import recovery
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Job, KnownGroup, LinkState, Protection, SyncRunState, TagLink
from harmony.models.configuration import SYNCHRONIZATION, ChosenGroup, Synchronization, to_row
from harmony.models.integration import SetupPage
from harmony.simulator.context import Tenant
from harmony.simulator.records import Tag
from harmony.uem.records import BulkOutcome
from tests.builders import due_jobs
from tests.faults.scene import CANARIES, Scene
from tests.invariants import check_invariants

OK, WARNING, INCOMPLETE = SyncRunState.OK, SyncRunState.WARNING, SyncRunState.INCOMPLETE
PROVISIONED, ACTIVE, HIGH = "CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Risk_High"
LACKING = "Tags are not written: The account may not do this (status 403, errorCode 403)"


@pytest.fixture
def tagged(scene: Scene, tenant: Tenant) -> Scene:
    """The scene with the whole simulated fleet, none of it tagged yet; the tenant without tags of ours."""
    for ident in [one.id for one in tenant.world.tags.values() if one.name.startswith("CHKP_")]:
        del tenant.world.tags[ident]
    groups = [
        ChosenGroup(kind="organization", external_id=str(one.id), name=one.name)
        for one in tenant.world.groups.values()
    ]
    top = {"kind": "organization", "external_id": str(tenant.top), "name": "Top", "type": "Customer"}
    with write() as session:
        page = session.get_one(SetupPage, (scene.integration_id, SYNCHRONIZATION))
        page.draft = page.applied = to_row(Synchronization(groups=tuple(groups)))
        session.add(KnownGroup(integration_id=scene.integration_id, **top))
    scene.learn()
    tenant.meter.forget()
    return scene


def protect(scene: Scene, count: int, status: str = "active", risk: int = 3) -> None:
    """The first devices are so; nobody is nudged, because the test asks."""
    mine = select(Device.id).where(Device.integration_id == scene.integration_id)
    with write() as session:
        for id_ in session.scalars(mine.order_by(Device.id).limit(count)).all():
            row = session.get(Protection, id_) or Protection(
                device_id=id_, integration_id=scene.integration_id
            )
            row.status, row.risk, row.changed_at = status, risk, now()
            session.add(row)


def tag_of(tenant: Tenant, name: str) -> Tag:
    return next(tag for tag in tenant.world.tags.values() if tag.name == name)


def carriers(tenant: Tenant) -> dict[str, int]:
    """On how many devices each tag of ours is."""
    every = {tag.name: len(tag.devices) for tag in tenant.world.tags.values()}
    return {name: count for name, count in every.items() if name.startswith("CHKP_") and count}


def the_job(scene: Scene) -> Job:
    db.session.rollback()
    return db.session.get_one(Job, (scene.integration_id, JobKind.TAGGING))


def written(tenant: Tenant) -> int:
    """How many calls wrote something."""
    return sum(count for name, count in tenant.meter.calls.items() if name.startswith("POST /mdm/tags"))


def test_row_22_a_403_when_writing_a_tag_parks_tagging_alone(tagged: Scene, tenant: Tenant) -> None:
    tagged.tag()
    protect(tagged, 5)
    tenant.gate.denied = frozenset({"tags_write"})
    tenant.meter.forget()
    run = tagged.tag(whole=False)
    assert run.state == WARNING
    assert run.reason.startswith(LACKING)
    assert written(tenant) <= 2 * tagged.fetchers, "no storm of tries"
    assert (the_job(tagged).parked_why or "").startswith(LACKING)
    assert due_jobs(now() + timedelta(days=7)) == [(tagged.integration_id, JobKind.APPS)]
    tagged.learn()
    check_invariants(canaries=CANARIES, logs=tagged.logs())
    tenant.gate.denied = frozenset()
    assert tagged.tag(whole=False).state == OK
    assert carriers(tenant) == {PROVISIONED: 1095, ACTIVE: 5, HIGH: 5}


def test_row_25_a_429_in_the_middle_leaves_the_rest_to_the_next_run(tagged: Scene, tenant: Tenant) -> None:
    tagged.fetchers = 1
    tenant.faults.add("throttled", path="adddevices", after=1, times=4)
    tenant.switches.set("retry_after", "900")
    run = tagged.tag()
    assert (run.state, run.counts["added"], run.counts["waiting"]) == (INCOMPLETE, 500, 600)
    due = the_job(tagged).next_at
    assert due is not None
    assert timedelta(minutes=14) < due - now() <= timedelta(minutes=15)
    tenant.faults.clear()
    assert tagged.tag().state == OK
    assert carriers(tenant) == {PROVISIONED: 1100}


class Dies(BaseException):
    """As a kill -9 does: nothing is written after it."""


def dying(scene: Scene) -> Any:
    """A client whose first answer to adding devices arrives at a process that is dead."""

    def opener(integration_id: int, kind: str, server: Any) -> Any:
        client = scene.opener(integration_id, kind, server)
        real = client.tag_devices

        def tag_devices(tag_id: str, device_ids: Any) -> BulkOutcome:
            real(tag_id, device_ids)
            raise Dies

        client.tag_devices = tag_devices  # type: ignore[method-assign]
        return client

    return opener


POSITIONS = [(again, fail) for again in ("accepted", "fault") for fail in ("404", "200")]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("again", "all_fail"), POSITIONS)
def test_row_47_a_death_between_the_answer_and_our_commit_does_no_harm(
    tagged: Scene, tenant: Tenant, again: str, all_fail: str, whole: bool
) -> None:
    """After it all is read back; even without that, pushing it once more changes nothing."""
    tenant.switches.set("bulk_again", again)
    tenant.switches.set("bulk_all_fail", all_fail)
    tagged.fetchers = 1
    with pytest.raises(Dies):
        tagged.tag(opener=dying(tagged))
    db.session.remove()
    assert 500 <= sum(carriers(tenant).values()) < 1100
    there = sum(carriers(tenant).values())
    assert recovery.reap(now() + timedelta(minutes=5)) == 1
    with write() as session:
        session.execute(update(Job).values(whole=whole))
    run = tagged.tag(whole=False)
    assert (run.state, run.counts["dropped"]) == (OK, 0)
    assert run.counts["added"] == 1100 - (there if whole else 0)
    assert carriers(tenant) == {PROVISIONED: 1100}
    names = [tag.name for tag in tenant.world.tags.values()]
    assert len(names) == len(set(names))
    check_invariants(canaries=CANARIES, logs=tagged.logs())


@pytest.mark.parametrize("duplicate", ["400", "second_tag"])
@pytest.mark.parametrize("empty", ["200", "204"])
def test_row_67_what_is_done_by_hand_is_put_right_and_foreign_tags_are_untouched(
    tagged: Scene, tenant: Tenant, duplicate: str, empty: str
) -> None:
    for switch, position in {"addtag_duplicate": duplicate, "tags_search_empty": empty}.items():
        tenant.switches.set(switch, position)
    tenant.switches.set("tag_devices_empty", empty)
    foreign = {tag.id: dict(tag.devices) for tag in tenant.world.tags.values()}
    protect(tagged, 7)
    tagged.tag()
    tag_of(tenant, HIGH).devices.clear()
    tag_of(tenant, ACTIVE).devices |= dict.fromkeys(list(tenant.world.devices)[-3:], "")
    del tenant.world.tags[tag_of(tenant, PROVISIONED).id]
    run = tagged.tag()
    assert (run.state, run.counts["made"]) == (OK, 1)
    assert carriers(tenant) == {PROVISIONED: 1093, ACTIVE: 7, HIGH: 7}
    assert {id_: tenant.world.tags[id_].devices for id_ in foreign} == foreign
    check_invariants(canaries=CANARIES, logs=tagged.logs())
    assert tenant.meter.traps == 0


def test_row_67_a_name_that_somebody_else_made_is_not_used(tagged: Scene, tenant: Tenant) -> None:
    tagged.tag()
    theirs = tag_of(tenant, HIGH)
    del tenant.world.tags[theirs.id]
    tenant.world.tags[99999] = Tag(99999, "u", HIGH, HIGH, 1, tenant.top, "", {})
    protect(tagged, 2)
    run = tagged.tag()
    assert run.state == WARNING
    assert f"{HIGH} cannot be used" in run.reason
    assert tenant.world.tags[99999].devices == {}
    assert carriers(tenant) == {PROVISIONED: 1098, ACTIVE: 2}


def test_row_67_devices_that_left_the_uem_are_dropped_once_a_sync_does_not_list_them_either(
    tagged: Scene, tenant: Tenant
) -> None:
    tagged.tag()
    protect(tagged, 2)
    mine = select(Device.external_id).where(Device.integration_id == tagged.integration_id)
    gone = [int(id_ or 0) for id_ in db.session.scalars(mine.order_by(Device.id).limit(2))]
    kept = {id_: tenant.world.devices[id_] for id_ in gone}
    for id_ in gone:
        del tenant.world.devices[id_]
        tag_of(tenant, PROVISIONED).devices.pop(id_)
    run = tagged.tag(whole=False)
    assert (run.state, run.counts["dropped"]) == (WARNING, 0)
    assert states(tagged) == {LinkState.DONE: 1098, LinkState.FAILED: 4, LinkState.PENDING: 2}
    due = the_job(tagged).next_at
    assert due is not None
    assert due - now() <= timedelta(minutes=5)
    with write() as session:
        missing = update(Device).where(Device.external_id.in_(map(str, gone)))
        session.execute(missing.values(missing_since=now(), absent_from=1))
    run = tagged.tag(whole=False)
    tenant.world.devices |= kept
    assert (run.state, run.counts["dropped"] >= 2) == (OK, True)
    assert states(tagged) == {LinkState.DONE: 1098, LinkState.DROPPED: 4}


def states(scene: Scene) -> dict[str, int]:
    """How many links are in each state."""
    found = select(TagLink.state, func.count()).where(TagLink.integration_id == scene.integration_id)
    return {state: count for state, count in db.session.execute(found.group_by(TagLink.state))}


@pytest.mark.parametrize("limit", ["1", "130"])
def test_a_bulk_limit_of_the_uem_is_found_and_kept_to(tagged: Scene, tenant: Tenant, limit: str) -> None:
    tenant.switches.set("bulk_limit", limit)
    protect(tagged, 3)
    assert tagged.tag().state == OK
    assert carriers(tenant) == {PROVISIONED: 1097, ACTIVE: 3, HIGH: 3}
    learned = the_job(tagged).batch_limit
    assert learned is not None
    assert int(limit) / 2 - 1 <= learned <= int(limit)


CODES, WORDS = (
    ("400", "404", "409", "0", "none"),
    ("plain", "full_stop", "capitals", "padded", "other", "none"),
)


@pytest.mark.parametrize(
    ("code", "words"), [(code, "plain") for code in CODES] + [("400", word) for word in WORDS]
)
def test_a_tag_that_is_there_already_is_done_however_the_uem_says_so(
    tagged: Scene, tenant: Tenant, code: str, words: str
) -> None:
    tagged.tag()
    tenant.switches.set("bulk_again_code", code)
    tenant.switches.set("bulk_again_message", words)
    with write() as session:
        session.execute(update(TagLink).values(present=False, state=LinkState.PENDING))
    run = tagged.tag(whole=False)
    assert (run.state, run.counts["failed"]) == (OK, 0)
    assert carriers(tenant) == {PROVISIONED: 1100}


@pytest.mark.parametrize("claimed", [10001, 10002, 2**63])
def test_the_id_of_another_tag_in_the_answer_to_making_one_is_not_believed(
    tagged: Scene, tenant: Tenant, claimed: int
) -> None:
    before = {ident: dict(tag.devices) for ident, tag in tenant.world.tags.items()}
    protect(tagged, 5)
    tenant.faults.add("other_id", path="addtag", value=claimed)
    run = tagged.tag()
    assert run.state == WARNING
    assert run.reason.startswith("The UEM has not confirmed which of its tags are CHKP_")
    assert carriers(tenant) == {}
    tenant.faults.clear()
    assert tagged.tag(whole=False).state == OK
    assert carriers(tenant) == {PROVISIONED: 1095, ACTIVE: 5, HIGH: 5}
    assert {ident: tenant.world.tags[ident].devices for ident in before} == before
    check_invariants(canaries=CANARIES, logs=tagged.logs())


@pytest.mark.parametrize("empty", ["200", "204"])
def test_one_empty_list_of_tags_costs_no_tag_and_no_link(tagged: Scene, tenant: Tenant, empty: str) -> None:
    tagged.tag()
    tenant.switches.set("tags_search_empty", empty)
    kept, tenant.world.tags = tenant.world.tags, {}
    assert tagged.tag().state == WARNING
    tenant.world.tags = kept
    assert states(tagged) == {LinkState.DONE: 1100}
    assert tagged.tag().state == OK
    assert carriers(tenant) == {PROVISIONED: 1100}
    check_invariants(canaries=CANARIES, logs=tagged.logs())
