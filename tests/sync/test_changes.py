"""What the history of a device says of a change (rung: pure)."""

from __future__ import annotations

from harmony.sync.field_changes import NAMED_ONLY, SHOWN, described

OLD: dict[str, object] = {field: "old" for field in (*SHOWN, *NAMED_ONLY)}


def test_a_change_is_told_with_both_values() -> None:
    assert described(OLD, OLD | {"os_version": "new"}) == "OS version: old → new"
    assert described(OLD | {"compromised": None}, OLD | {"compromised": True}) == "Compromised: none → yes"
    assert described(OLD | {"compromised": True}, OLD | {"compromised": False}) == "Compromised: yes → no"


def test_personal_data_is_named_and_never_told() -> None:
    secret = "kim@example.com"
    told = described(OLD, OLD | dict.fromkeys(NAMED_ONLY, secret))
    assert secret not in told
    assert told.count(" changed") == len(NAMED_ONLY)


def test_nothing_different_is_nothing_to_tell() -> None:
    assert described(OLD, dict(OLD)) == ""


def test_a_value_that_is_no_longer_known_is_called_none() -> None:
    assert described(OLD, OLD | {"model": ""}) == "Model: old → none"
