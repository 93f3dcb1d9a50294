"""Ids that change hands across the border of the choice (rung: pure tables, and H against fleets)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.jobs.accounting import Account, Identity, other_hardware
from harmony.sync.reading.crossings import contested_inside, contested_outside
from harmony.sync.reading.known import Known
from harmony.sync.reading.matching import Matcher, Matches
from harmony.sync.reading.scope import Incoming
from harmony.uem.device_keys import fingerprint
from tests.builders import a_device

GROUPS = (("organization", "570"),)


def row(id_: str, hardware: int, record: str = "") -> Incoming:
    """A row of a chosen group: the device `hardware` under this id; its record has a UUID of its own."""
    device = a_device(external_id=id_, **marks(hardware, record or id_))
    return Incoming(device, GROUPS, fingerprint(device, GROUPS))


def outside(id_: str, hardware: int, record: str = "") -> Identity:
    """The same row, outside the choice."""
    found = marks(hardware, record or id_)
    return Identity(id_, found["uuid"], found["udid"], found["serial"])


def marks(hardware: int, record: str) -> dict[str, str]:
    return {"uuid": f"u{record}", "udid": f"udid{hardware}", "serial": f"s{hardware}"}


def known(*numbers: int, deleted: bool = False) -> list[Known]:
    """Stored devices with the ids that these have."""
    return [
        Known(n, str(n), f"udid{n}", "", None, deleted=deleted, uuid=f"u{n}", udid=f"udid{n}", serial=f"s{n}")
        for n in numbers
    ]


def contested(stored: list[Known], rows: list[Incoming], beyond: list[Identity]) -> tuple[set[str], set[str]]:
    """The ids of the rows outside and inside the choice that are not believed."""
    account = Account()
    by_id = {str(device.external_id): device for device in stored}
    by_udid = {device.udid_key: device for device in stored}
    far = contested_outside(beyond, by_id, by_udid, account)
    near = contested_inside(rows, by_id, by_udid, account)
    assert account.contested == {found.external_id for found in far} | {r.device.external_id for r in near}
    return {found.external_id for found in far}, {found.device.external_id for found in near}


@pytest.mark.parametrize(
    ("inside", "beyond", "far", "near"),
    [
        ([], [], set(), set()),
        # Enrolled again: the former record is gone, or left behind, in the choice or not.
        ([row("9", 1)], [], set(), set()),
        ([row("9", 1)], [outside("1", 1)], set(), set()),
        ([row("9", 1), row("1", 1)], [], set(), set()),
        # Moved out of the choice, under its id or enrolled again.
        ([], [outside("1", 1)], set(), set()),
        ([], [outside("9", 1)], set(), set()),
        # Swapped with a device outside: by groups, where hardware tells what is inside …
        ([row("9", 1, "1")], [outside("1", 9, "9")], {"1"}, {"9"}),
        ([row("9", 1)], [outside("1", 9, "1")], {"1"}, {"9"}),
        # … and by lists of members, where ids do.
        ([row("1", 9, "9")], [outside("9", 1, "1")], set(), {"1"}),
        ([row("1", 9, "1")], [outside("9", 1, "9")], set(), {"1"}),
        # A row that is not believed takes no id from the next one.
        ([row("2", 1), row("9", 2)], [outside("1", 9)], {"1"}, {"2", "9"}),
        ([row("9", 2), row("2", 1)], [outside("1", 9)], {"1"}, {"2", "9"}),
        # Given to other hardware, and its own device is nowhere.
        ([row("1", 9)], [], set(), set()),
        ([], [outside("1", 9)], {"1"}, set()),
        # Swapped inside the choice: the matching decides.
        ([row("2", 1), row("1", 2)], [], set(), set()),
    ],
)
def test_an_id_that_is_listed_for_other_hardware_is_not_left_for_another(
    inside: list[Incoming], beyond: list[Identity], far: set[str], near: set[str]
) -> None:
    assert contested(known(1, 2), inside, beyond) == (far, near)


def test_the_id_of_a_deleted_device_may_be_anybodys() -> None:
    assert contested(known(1, deleted=True), [row("9", 1)], [outside("1", 9)]) == (set(), set())


def test_a_udid_that_several_records_have_says_nothing_about_where_a_device_is() -> None:
    account, (device,) = Account(shared={"udid1"}), known(1)
    contested_outside([outside("9", 1)], {}, {"udid1": device}, account)
    assert account.strayed == set()


@pytest.mark.parametrize(("udid", "serial", "other"), [("b", "t", True), ("a", "t", False), ("b", "", False)])
def test_hardware_is_other_hardware_only_if_udid_and_serial_say_so(
    udid: str, serial: str, other: bool
) -> None:
    assert other_hardware(Identity("1", "u", "a", "s"), Identity("1", "u", udid, serial)) is other


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)), st.booleans())
def test_no_device_gets_an_id_of_a_device_outside_in_whatever_order_ids_are_dealt(
    dealt: list[int], chosen: set[int], by_members: bool
) -> None:
    """The devices 1 to 8 keep all but their ids, which are dealt anew; those in `chosen` are stored."""
    pairs = [(id_, number) for number, id_ in enumerate(dealt, start=1)]
    inside = [(id_, number) for id_, number in pairs if (id_ if by_members else number) in chosen]
    rows = [row(str(id_), number, str(number)) for id_, number in inside]
    beyond = [outside(str(id_), number, str(number)) for id_, number in pairs if (id_, number) not in inside]
    _, near = contested(known(*chosen), rows, beyond)
    for id_, number in inside:
        crosses = id_ != number and not {id_, number} <= chosen
        assert not crosses or str(id_) in near, f"{number} gets the id {id_}"


def matched(stored: list[Known], rows: list[Incoming], believed: bool | None = None) -> Matches:
    by_id = {str(device.external_id): device for device in stored}
    return Matcher(by_id, {device.udid_key: device for device in stored}, set(), believed=believed).match(
        rows
    )


@pytest.mark.parametrize(
    "rows", [[row("9", 1)], [row("1", 9)], [row("1", 9, "1")], [row("2", 1), row("1", 2)]]
)
def test_who_is_who_waits_until_every_id_was_seen(rows: list[Incoming]) -> None:
    found = matched(known(1, 2), rows)
    assert (found.waiting, found.same, found.new, found.detached) == (rows, [], [], {})


@pytest.mark.parametrize("stored", [[], known(1, deleted=True), [known(1)[0]._replace(external_id=None)]])
def test_what_has_no_id_to_leave_waits_for_nothing(stored: list[Known]) -> None:
    found = matched(stored, [row("9", 1)])
    assert (found.waiting, len(found.same) + len(found.new)) == ([], 1)


def test_a_row_without_an_id_that_repeats_a_row_outside_the_choice_may_be_any_device() -> None:
    account = Account()
    account.doubt(Identity(udid_key="udid9"))
    assert account.anonymous([]) == 0
    account.see_outside([outside("9", 9)])
    assert account.anonymous([]) == 1


def test_a_row_without_an_id_that_says_more_than_a_row_outside_the_choice_names_something() -> None:
    account = Account()
    account.see_outside([outside("9", 9)])
    account.doubt(Identity(udid_key="udid9", serial="s1"))
    assert account.anonymous([]) == 0
