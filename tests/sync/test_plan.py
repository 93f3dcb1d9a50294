"""What one page changes (rung: pure tables and Hypothesis)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.sync.diff import Plan, adopt, read_to_the_end
from harmony.sync.diff import plan as plan_of
from harmony.sync.reading.matching import Known, Matcher
from harmony.sync.reading.placement import GroupTree, sort_rows
from harmony.sync.reading.scope import Incoming, Scope, cover, pulls
from harmony.uem.device_keys import fingerprint
from harmony.uem.privacy import Privacy, redact
from harmony.uem.records import Group, GroupKind, UemDevice
from tests.builders import DEVICE, NOON, a_device, devices

PARENT = Scope(organization_groups=frozenset({"570"}))


def incoming(rows: Iterable[UemDevice], scope: Scope) -> list[Incoming]:
    """Rows that are in the scope."""
    tree = GroupTree({"570": "", "571": ""}, {"571": "570"})
    return sort_rows(list(rows), scope, tree, "570").placed


def plan(rows: list[Incoming], by_id: dict[str, Known], by_udid: dict[str, Known]) -> Plan:
    """What rows change, compared with these devices, once every id that is listed was seen."""
    return plan_of(Matcher(by_id, by_udid, set(), believed=True).match(rows))


def known(one: Incoming, **changes: object) -> Known:
    values = {
        "id": 1,
        "external_id": one.device.external_id,
        "udid_key": one.udid_key,
        "fingerprint": one.fingerprint,
        "last_seen": one.device.last_seen,
        "uuid": one.device.uuid,
        "udid": one.device.udid,
        "serial": one.device.serial.replace(" ", ""),
    }
    return Known(**(values | changes))  # type: ignore[arg-type]


def arriving(device: UemDevice) -> Incoming:
    return incoming([device], PARENT)[0]


def test_a_device_that_is_not_known_is_created() -> None:
    one = arriving(DEVICE)
    assert plan([one], {}, {}).create == [one]


def test_a_device_that_did_not_change_is_not_written() -> None:
    one = arriving(DEVICE)
    made = plan([one], {"100": known(one)}, {})
    assert (made.unchanged, made.writes) == (1, False)


def test_a_device_whose_last_contact_moved_only_is_touched_not_updated() -> None:
    one = arriving(DEVICE)
    made = plan([one], {"100": known(one, last_seen=NOON - timedelta(hours=1))}, {})
    assert (made.touched, made.update, made.unchanged) == ([(1, NOON)], [], 1)


def test_a_device_that_changed_is_updated() -> None:
    one = arriving(DEVICE)
    held = known(one, fingerprint="another")
    made = plan([one], {"100": held}, {})
    assert (made.update, made.unchanged) == ([(held, one)], 0)


@pytest.mark.parametrize(("past", "becomes"), [("absent", "reappeared"), ("deleted", "restored")])
def test_a_device_that_is_listed_again_is_back_though_nothing_else_changed(past: str, becomes: str) -> None:
    one = arriving(DEVICE)
    made = plan([one], {"100": known(one, **{past: True})}, {})
    assert (getattr(made, becomes), made.unchanged, made.writes) == ([1], 1, True)


def enrolled(external_id: str, udid: str = "UDID100", hours: int = 0) -> Incoming:
    marks = {"uuid": f"{external_id} {udid}".lower(), "serial": f"serial {udid}".lower()}
    at = NOON + timedelta(hours=hours)
    return arriving(a_device(external_id=external_id, udid=udid, enrolled_at=at, **marks))


def test_the_same_udid_under_a_newer_id_is_the_same_device_enrolled_again() -> None:
    old, new = enrolled("100"), enrolled("200", "udid100", hours=1)
    held = known(old, enrolled_at=NOON)
    made = plan([new], {}, {"udid100": held})
    assert (made.update, made.create) == ([(held, new)], [])


def test_an_older_enrolment_that_is_still_listed_changes_nothing() -> None:
    old, new = enrolled("100"), enrolled("200", hours=1)
    held = known(new, external_id="200", enrolled_at=new.device.enrolled_at)
    for page in ([old, new], [new, old]):
        made = plan(page, {"200": held}, {"udid100": held})
        assert (made.writes, made.twins, made.unchanged) == (False, [old], 1)


def test_of_two_new_rows_with_one_udid_the_newest_enrolment_becomes_the_device() -> None:
    old, new = enrolled("200"), enrolled("100", hours=1)
    for page in ([old, new], [new, old]):
        made = plan(page, {}, {})
        assert (made.create, made.twins) == ([new], [old])


def test_a_placeholder_is_nobodys_udid() -> None:
    rows = [
        enrolled("100", "System.Byte[]"),
        enrolled("200", "System.Byte[]", hours=1),
        enrolled("300", "{DeviceUid}"),
    ]
    held = known(enrolled("900", "0" * 40))
    made = plan(rows, {}, {held.udid_key: held})
    assert (made.create, made.twins, made.update) == (rows, [], [])
    again = known(enrolled("100", "UDID100"), udid_key="udid100")
    assert plan(rows[:1], {"100": again}, {}).detach == {}


def test_an_id_that_the_uem_gave_to_other_hardware_is_a_new_device_and_the_old_one_is_kept() -> None:
    held = known(enrolled("100", "OTHER"), udid_key="other")
    made = plan([enrolled("100", "UDID100")], {"100": held}, {})
    assert (made.detach, len(made.create), made.update) == ({"100": 1}, 1, [])


def test_two_devices_that_swapped_their_ids_keep_their_rows() -> None:
    first, second = enrolled("1", "AA"), enrolled("2", "BB")
    one, two = (
        known(first, id=1, external_id="1", udid_key="aa"),
        known(second, id=2, external_id="2", udid_key="bb"),
    )
    swapped = [enrolled("1", "BB"), enrolled("2", "AA")]
    made = plan(swapped, {"1": one, "2": two}, {"aa": one, "bb": two})
    assert made.detach == {"1": 1, "2": 2}
    assert {(held.id, new.device.external_id) for held, new in made.update} == {(1, "2"), (2, "1")}
    assert made.create == []


def test_a_device_whose_newer_enrolment_is_gone_lives_on_under_the_older_one() -> None:
    older = enrolled("100")
    held = known(older, external_id="200", enrolled_at=NOON + timedelta(hours=1))
    assert adopt({"udid100": older}, {"udid100": held}, lambda _id: False).update == [(held, older)]
    assert not adopt({"udid100": older}, {"udid100": held}, lambda id_: id_ == "200").writes


def test_a_parent_group_does_not_bring_the_devices_of_its_children() -> None:
    child = a_device(external_id="2", group_id="571")
    assert [one.device.external_id for one in incoming([DEVICE, child], PARENT)] == ["100"]


def test_a_device_in_two_chosen_groups_is_one_device_with_two_memberships() -> None:
    scope = Scope(
        frozenset({"570"}), {"9": frozenset({"100"}), "8": frozenset({"100", "2"}), "7": frozenset()}
    )
    (one,) = incoming([DEVICE], scope)
    assert one.memberships == (("organization", "570"), ("smart", "8"), ("smart", "9"))


def test_leaving_a_group_is_a_change() -> None:
    assert fingerprint(DEVICE, (("smart", "8"),)) != fingerprint(DEVICE, ())


@given(
    st.sampled_from(
        sorted(set(DEVICE.__struct_fields__) - {"external_id", "last_seen", "group_uuid", "keys"})
    )
)
def test_every_stored_field_but_the_last_contact_is_in_the_fingerprint(name: str) -> None:
    other = {"compromised": None, "enrolled_at": None}.get(name, "another")
    assert fingerprint(a_device(**{name: other}), ()) != fingerprint(a_device(), ())


def test_the_last_contact_is_not_in_the_fingerprint() -> None:
    assert fingerprint(a_device(last_seen=None), ()) == fingerprint(a_device(), ())


@given(st.text(), st.text())
def test_text_that_moves_from_one_field_to_the_next_is_a_change(left: str, right: str) -> None:
    left, right = left.replace("\x1f", ""), right.replace("\x1f", "")
    moved = a_device(model=left + right, os_version="")
    kept = a_device(model=left, os_version=right)
    assert (fingerprint(moved, ()) == fingerprint(kept, ())) is (right == "")


def test_each_organization_group_is_read_once_and_a_smart_group_through_its_manager() -> None:
    def group(kind: GroupKind, id_: str, managed_by: str | None = None) -> Group:
        return Group(kind, id_, "", "", None, None, managed_by)

    chosen = [
        group(GroupKind.ORGANIZATION, "570"),
        group(GroupKind.SMART, "9", "570"),
        group(GroupKind.SMART, "8", "600"),
    ]
    assert pulls(chosen) == ("570", "600")


@given(st.dictionaries(st.integers(0, 9), st.none() | st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_the_cover_reads_every_wanted_group_and_none_twice(
    tree: dict[int, int | None], wanted: set[int]
) -> None:
    parents = {str(group): None if above is None else str(above) for group, above in tree.items()}
    above = cover(sorted(map(str, wanted)), parents)
    assert set(above) == {str(group) for group in wanted}
    for group, root in above.items():
        assert root in above
        path, passed = group, set()
        while path != root and path not in passed:
            passed.add(path)
            path = parents.get(path) or ""
        assert path == root, "a root is the group itself or above it"


def test_a_pull_is_at_its_end_only_when_it_gave_what_was_announced() -> None:
    assert read_to_the_end(seen=10, unreadable=0, total=10)
    assert read_to_the_end(seen=9, unreadable=1, total=10)
    assert not read_to_the_end(seen=9, unreadable=0, total=10)
    assert read_to_the_end(seen=0, unreadable=0, total=None)


def test_personal_data_that_is_not_imported_never_gets_into_a_plan() -> None:
    bare = redact(DEVICE, Privacy(name=False, number=False, email=False))
    assert (bare.name, bare.user_name, bare.phone) == ("", "", "")
    assert bare.email == "UDID100@WorkspaceONE.UEM"
    assert redact(DEVICE, Privacy()) is DEVICE
    assert redact(DEVICE, Privacy(number=False)).email == "kim@example.com"


@given(st.lists(st.integers(0, 30), unique=True), st.sets(st.integers(0, 30)))
def test_every_device_of_a_page_is_counted_exactly_once(listed: list[int], stored: set[int]) -> None:
    page = incoming(devices(*listed), PARENT)
    held = {
        str(n): Known(
            n, str(n), f"udid{n}", "old" if n % 2 else page[0].fingerprint if page else "", NOON, n % 3 == 0
        )
        for n in stored
    }
    made = plan(page, held, {one.udid_key: one for one in held.values()})
    assert len(made.create) + len(made.update) + made.unchanged == len(listed)
