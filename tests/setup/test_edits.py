"""What an edit means for the syncs after it (rung: pure)."""

from __future__ import annotations

import msgspec
import pytest

from harmony.models.configuration import ServerDetails, Tagging
from harmony.setup.edits import another_scope, another_source, left_behind, switched_off, switched_on
from tests.builders import a_choice

OAUTH = ServerDetails(
    server_address="https://uem.test", token_address="https://token.test", client_id="a", username="old"
)
BASIC = msgspec.structs.replace(OAUTH, use_oauth2=False)


@pytest.mark.parametrize(
    ("before", "change", "another"),
    [
        (OAUTH, {"server_address": "https://other.test"}, True),
        (OAUTH, {"token_address": "https://other.test"}, True),
        (OAUTH, {"client_id": "b"}, True),
        (OAUTH, {"use_oauth2": False}, True),
        (BASIC, {"username": "new"}, True),
        (OAUTH, {"client_secret": "rotated"}, False),
        (BASIC, {"password": "rotated", "api_key": "rotated"}, False),
        (OAUTH, {"username": "of the other way to sign in"}, False),
        (BASIC, {"client_id": "of the other way to sign in"}, False),
        (OAUTH, {"server_address": "https://UEM.test/"}, False),
        (OAUTH, {"display_name": "Another name", "certificate": "renewed", "self_signed": True}, False),
    ],
)
def test_another_address_or_account_is_another_source_and_a_new_secret_is_not(
    before: ServerDetails, change: dict[str, str | bool], another: bool
) -> None:
    assert another_source(before, msgspec.structs.replace(before, **change)) is another


def test_the_scope_is_the_set_of_the_groups() -> None:
    before = a_choice("570", "smart:9@570")
    assert another_scope(before, a_choice("570"))
    assert another_scope(before, a_choice("570", "smart:9@570", "571"))
    assert another_scope(a_choice("9"), a_choice("smart:9"))
    assert not another_scope(before, a_choice("smart:9@571", "570", device_interval=10, deletion_threshold=1))


def test_the_toggles_for_personal_data_are_told_by_their_labels() -> None:
    on, off = a_choice(), a_choice(import_name=False, import_email=False)
    assert switched_off(on, off) == switched_on(off, on) == ["Device name", "Device email"]
    assert switched_off(off, on) == switched_off(on, on) == []


def test_another_spelling_of_a_tag_leaves_nothing_behind() -> None:
    keys = ["risk:high", "status:active"]
    respelled = Tagging(names={"risk:high": "chkp_risk_HIGH", "status:active": "Guarded"})
    assert left_behind(Tagging(), respelled, keys) == ["status:active"]
