"""Well-formed device lists that say the wrong thing, from the simulated UEM. Rung S: sockets, TLS.

The boldest settings: one complete sync without a device would delete it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from harmony.db import db, write
from harmony.models import Device, DeviceEvent, Integration, Membership, SkippedDevice, SyncRunState
from harmony.models.configuration import SYNCHRONIZATION, to_row
from harmony.setup.drafts import digest
from harmony.simulator.context import Tenant
from tests.builders import a_choice
from tests.faults.scene import Scene

OK, WARNING, INCOMPLETE = SyncRunState.OK, SyncRunState.WARNING, SyncRunState.INCOMPLETE
SEARCH, GROUPS = "/devices/search", "/groups/search"
NO_GROUP = "Its organization group cannot be read."
UNKNOWN = "Its organization group is not among those that the account sees."
SKIPPED = "devices could not be read, see the list below."
UNBELIEVED = "Not taken over: another value for the UUID, UDID or serial number of"
SHORT = "listed fewer devices than announced, twice."
NOBODY = "do not say which device they are about, so none was counted as missing."
KEPT = "so none was counted as missing."
# Every group but one, whose 92 devices are outside.
CHOSEN = [str(id_) for id_ in range(570, 589) if id_ != 572]
NO_UUID = "00000000-0000-4000-a000-000000000001"
Lie = dict[str, Any]


def rows(kind: str, field: str = "", text: str = "", **more: Any) -> Lie:
    """A lie about the rows of the device search."""
    return {"kind": kind, "path": SEARCH, "field": field, "text": text} | more


def page(kind: str, field: str = "", text: str = "") -> Lie:
    """The same about all rows of the second page."""
    return rows(kind, field, text, page=1)


# What is told, how each run ends and what it says, and the reason of the rows that are listed with it.
LIES: dict[str, tuple[list[Lie], SyncRunState, str, str]] = {
    "group null": ([rows("null_field", "LocationGroupId", every=10)], WARNING, SKIPPED, NO_GROUP),
    "group a text": ([rows("set_field", "LocationGroupId", "Acme", every=10)], WARNING, SKIPPED, NO_GROUP),
    "group a list": ([rows("list_field", "LocationGroupId", every=10)], WARNING, SKIPPED, NO_GROUP),
    "group absent": ([rows("drop_field", "LocationGroupId", every=10)], WARNING, SKIPPED, NO_GROUP),
    "group by its UUID": ([rows("drop_field", "LocationGroupId.Id")], OK, "", ""),
    "group by an unknown UUID": (
        [rows("drop_field", "LocationGroupId.Id", every=10),
         rows("set_field", "LocationGroupId.Uuid", NO_UUID, every=10)],
        WARNING, SKIPPED, NO_GROUP,
    ),
    "group out of sight": (
        [rows("set_field", "LocationGroupId.Id", '{"Value": 999999}', every=10)], WARNING, SKIPPED, UNKNOWN,
    ),
    "one UDID, no ids": (
        [page("shared_field", "Udid"), page("null_field", "Id"), page("drop_field", "SerialNumber"),
         page("set_field", "Uuid")],
        WARNING, NOBODY, "",
    ),
    "one UDID, ids": ([page("shared_field", "Udid")], WARNING, UNBELIEVED, ""),
    "one id": ([page("shared_field", "Id")], INCOMPLETE, SHORT, ""),
    "no UDID": ([rows("set_field", "Udid", '""')], OK, "", ""),
    "UDID of bytes": ([rows("set_field", "Udid", "System.Byte[]")], OK, "", ""),
    "UDID of zeros": ([rows("set_field", "Udid", '"0000000000000000"')], OK, "", ""),
    "UDIDs swapped": ([page("swapped_field", "Udid")], WARNING, UNBELIEVED, ""),
    # Three of them with devices outside the choice.
    "some ids swapped": ([rows("swapped_field", "Id", every=200)], WARNING, "3 " + SKIPPED, ""),
    "ids swapped": ([page("swapped_field", "Id")], WARNING, SKIPPED, ""),
    "ids lists": ([page("list_field", "Id")], WARNING, SKIPPED, ""),
    "serials only": (
        [page("null_field", "Id"), page("drop_field", "Udid"), page("set_field", "Uuid")],
        WARNING, SKIPPED, "",
    ),
    "rows null": ([rows("odd_rows", page=1, every=50)], WARNING, NOBODY, ""),
    "no groups at all": ([rows("drop_field", "LocationGroupId")], INCOMPLETE, "Most of the devices", ""),
    "rows left out": ([rows("short_list", every=10)], INCOMPLETE, SHORT, ""),
    "rows listed twice": ([rows("doubled_rows", every=10)], OK, "", ""),
    "204 in the middle": ([rows("no_content", page=1)], INCOMPLETE, SHORT, ""),
    "204 at once": ([rows("no_content", page=0)], WARNING, KEPT, ""),
    "an empty list": ([rows("empty_list", page=0)], WARNING, KEPT, ""),
    "groups that cannot be read": (
        [{"kind": "null_field", "path": GROUPS, "field": "Id", "every": 1}], INCOMPLETE,
        "The account no longer sees", "",
    ),
    "names of groups null": (
        [{"kind": "null_field", "path": GROUPS, "field": "Name", "every": 1}], OK, "", "",
    ),
}  # fmt: skip


def be_bold(scene: Scene, groups: Sequence[str] = CHOSEN) -> None:
    """Put in force that a device of these groups goes as soon as one complete sync did not list it."""
    with write() as session:
        integration = session.get_one(Integration, scene.integration_id)
        row, said = integration.page(SYNCHRONIZATION), integration.verification(SYNCHRONIZATION)
        assert row is not None
        assert said is not None
        row.draft = row.applied = to_row(a_choice(*groups, deletion_after=1, deletion_threshold=100))
        said.digest = digest(row.draft)


def known(scene: Scene) -> list[tuple[Any, ...]]:
    """Everything that is stored of the devices and their groups, but for what a sync writes anew."""
    names = ("external_id", "uuid", "udid_key", "udid", "serial", "name", "email", "group_id", "fingerprint")
    columns = [getattr(Device, name) for name in (*names, "missing_since", "deleted_at")]
    group = (Membership.group_kind, Membership.group_id)
    query = select(Device.id, *columns, *group).outerjoin(Membership, Membership.device_id == Device.id)
    db.session.rollback()
    found = db.session.execute(query.where(Device.integration_id == scene.integration_id))
    return sorted(map(tuple, found))


def lines(scene: Scene) -> int:
    """How many lines the histories have."""
    mine = select(DeviceEvent.id).join(Device, Device.id == DeviceEvent.device_id)
    return len(db.session.execute(mine.where(Device.integration_id == scene.integration_id)).all())


@pytest.mark.parametrize("lie", LIES)
def test_a_wrong_list_of_devices_costs_none_and_ends_with_it(scene: Scene, tenant: Tenant, lie: str) -> None:
    told, state, says, why = LIES[lie]
    be_bold(scene)
    scene.learn()
    before = known(scene)
    written = []
    for fault in told:
        tenant.faults.add(**fault)
    for _ in range(3):
        done = scene.sync()
        assert (done.state, done.count("missing"), done.count("deleted")) == (state, 0, 0), done.reason
        assert says in done.reason
        found = set(db.session.scalars(select(SkippedDevice.reason).where(SkippedDevice.run_id == done.id)))
        assert not why or found == {why}
        assert (done.count("skipped") > 0) == bool(found)
        written.append(lines(scene))
    assert written[1] == written[2], "what stays the same writes no history"
    tenant.faults.clear()
    scene.learn()
    assert known(scene) == before, "after honest answers everything is as it was"


@pytest.mark.parametrize("scope", ["570", "smart:4214@570"])
@pytest.mark.parametrize("fields", [["Id"], ["Id", "Uuid"]])
def test_ids_swapped_with_the_many_devices_outside_a_small_choice_change_none(
    scene: Scene, tenant: Tenant, scope: str, fields: list[str]
) -> None:
    be_bold(scene, [scope])
    scene.learn()
    before = known(scene)
    assert 0 < len(before) < len(tenant.world.devices) / 5
    for field in fields:
        tenant.faults.add(**rows("swapped_field", field, every=3))
    done = scene.sync()
    assert (done.state, done.count("added"), done.count("updated"), done.count("missing")) == (
        WARNING,
        0,
        0,
        0,
    ), done.reason
    assert SKIPPED in done.reason
    assert known(scene) == before
    tenant.faults.clear()
    scene.learn()
    assert known(scene) == before


@pytest.mark.parametrize("at", [0, 1])
def test_a_single_204_is_looked_at_again(scene: Scene, tenant: Tenant, at: int) -> None:
    be_bold(scene)
    scene.learn()
    before = known(scene)
    tenant.faults.add("no_content", path=SEARCH, page=at, times=1)
    done = scene.sync()
    assert (done.state, done.count("missing"), done.count("updated")) == (OK, 0, 0), done.reason
    assert known(scene) == before


def test_a_fresh_sync_of_devices_without_a_udid_lists_each_by_its_id(scene: Scene, tenant: Tenant) -> None:
    be_bold(scene)
    tenant.faults.add(**rows("set_field", "Udid", "System.Byte[]"))
    done = scene.sync()
    assert (done.state, done.count("skipped")) == (OK, 0), done.reason
    assert {key for _, _, _, key, *_ in known(scene)} == {""}
    first = [row[:2] for row in known(scene)]
    tenant.faults.clear()
    done = scene.sync()
    assert (done.state, done.count("added"), done.count("updated")) == (OK, 0, len(first))
    assert [row[:2] for row in known(scene)] == first
    assert "" not in {row[3] for row in known(scene)}
