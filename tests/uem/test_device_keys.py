"""The keys that come with a record say what would be made of it without them (rung: pure)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.sync.reading.placement import GroupTree, sort_rows
from harmony.sync.reading.scope import Scope, with_marks
from harmony.uem.device_keys import fingerprint, sort_and_search_keys, with_keys
from harmony.uem.privacy import Privacy, redact
from harmony.uem.records import UemDevice
from tests.builders import a_device

TEXT = st.text(max_size=12)
DEVICES = st.builds(
    a_device,
    name=TEXT, serial=TEXT, udid=TEXT, user_name=TEXT, email=TEXT, phone=TEXT,
    group_id=st.sampled_from(["570", "571", ""]), group_uuid=st.sampled_from(["", "u-571"]),
    compromised=st.sampled_from([None, True, False]),
)  # fmt: skip
MEMBERSHIPS = st.lists(
    st.tuples(st.sampled_from(["organization", "smart"]), st.sampled_from(["570", "571", "9"])), max_size=3
).map(tuple)


@given(DEVICES, MEMBERSHIPS)
def test_keys_make_no_difference_to_what_a_device_is_compared_by(device: UemDevice, groups: Any) -> None:
    assert fingerprint(with_keys(device), groups) == fingerprint(device, groups)


@given(DEVICES)
def test_keys_make_no_difference_to_what_a_device_is_found_by(device: UemDevice) -> None:
    assert sort_and_search_keys(with_keys(device)) == sort_and_search_keys(device)


@given(DEVICES, st.sampled_from(["570", "571"]))
def test_keys_make_no_difference_to_where_a_row_belongs(device: UemDevice, group: str) -> None:
    scope, tree = Scope(frozenset({group})), GroupTree(ids={"u-571": "571"})
    (plain, keyed) = (sort_rows([row], scope, tree, group) for row in (device, with_keys(device)))
    assert [row.device.changed() for row in keyed.placed] == [row.device for row in plain.placed]
    assert [(row.udid_key, row.fingerprint) for row in keyed.placed] == [
        (row.udid_key, row.fingerprint) for row in plain.placed
    ]
    assert keyed.doubtful == plain.doubtful


@pytest.mark.parametrize("kept", [Privacy(name=False), Privacy(number=False), Privacy(email=False)])
def test_what_is_not_imported_is_in_no_key(kept: Privacy) -> None:
    device = with_keys(a_device(name="Kim's phone", user_name="kim", email="kim@example.com"))
    redacted = redact(device, kept)
    assert redacted == redact(device.changed(), kept)
    assert redacted.keys is None


def test_a_row_with_other_marks_has_other_keys() -> None:
    row = sort_rows([with_keys(a_device())], Scope(frozenset({"570"})), GroupTree(), "570").placed[0]
    changed = with_marks(row, udid="00008020-001C2D3E4F50002E")
    assert changed.udid_key == "00008020001c2d3e4f50002e"
    assert changed.fingerprint != row.fingerprint


def test_keys_say_nothing_of_the_user() -> None:
    text = repr(with_keys(a_device(name="Kim's phone", user_name="kim", serial="R58EXAMPLE")))
    assert not any(secret in text.lower() for secret in ("kim", "r58example"))
