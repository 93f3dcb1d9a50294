"""What one page changes (rung: pure tables and Hypothesis)."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from harmony.sync.plan import (
    Incoming,
    Known,
    Scope,
    cover,
    fingerprint,
    incoming,
    plan_page,
    pulls,
    read_to_the_end,
)
from harmony.sync.privacy import Privacy, redact
from harmony.uem.records import Device, Group, GroupKind
from tests.builders import DEVICE, NOON, a_device, devices

PARENT = Scope(organization_groups=frozenset({"570"}))


def known(one: Incoming, **changes: object) -> Known:
    values = {"id": 1, "fingerprint": one.fingerprint, "last_seen": one.device.last_seen, "missing": False}
    return Known(**(values | changes))  # type: ignore[arg-type]


def arriving(device: Device) -> Incoming:
    return incoming([device], PARENT)[0]


def test_a_device_that_is_not_known_is_created() -> None:
    one = arriving(DEVICE)
    assert plan_page([one], {}).create == (one,)


def test_a_device_that_did_not_change_is_not_written() -> None:
    one = arriving(DEVICE)
    plan = plan_page([one], {"100": known(one)})
    assert (plan.unchanged, plan.writes) == (1, False)


def test_a_device_whose_last_contact_moved_only_is_touched_not_updated() -> None:
    one = arriving(DEVICE)
    plan = plan_page([one], {"100": known(one, last_seen=NOON - timedelta(hours=1))})
    assert (plan.touched, plan.update, plan.unchanged) == (((1, NOON),), (), 1)


def test_a_device_that_changed_is_updated() -> None:
    one = arriving(DEVICE)
    plan = plan_page([one], {"100": known(one, fingerprint="another")})
    assert (plan.update, plan.unchanged) == (((1, one),), 0)


def test_a_missing_device_that_is_listed_again_reappears_though_nothing_else_changed() -> None:
    one = arriving(DEVICE)
    plan = plan_page([one], {"100": known(one, missing=True)})
    assert (plan.reappeared, plan.unchanged, plan.writes) == ((1,), 1, True)


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


@given(st.sampled_from(sorted(set(DEVICE.__dataclass_fields__) - {"external_id", "last_seen"})))
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
        str(n): Known(n, "old" if n % 2 else page[0].fingerprint if page else "", NOON, n % 3 == 0)
        for n in stored
    }
    plan = plan_page(page, held)
    assert len(plan.create) + len(plan.update) + plan.unchanged == len(listed)
