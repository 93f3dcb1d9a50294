"""Names of tags, and what is wrong with those that an administrator types (rung: pure, H)."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.models.configuration import Tagging
from harmony.protection.catalogue import CATALOGUE
from harmony.tagging import names
from harmony.tagging.names import (
    complaints,
    is_managed,
    name_of,
    needed_keys,
    needed_names,
    shortened,
    tag_key,
)

FIXED = (*names.STATUS_KEYS, *names.RISK_KEYS, names.NO_RISK_KEY)


def test_the_names_are_those_of_the_vendors_guide() -> None:
    assert needed_names(Tagging(), ["ROOTED"]) == (
        "CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Status_Inactive",
        "CHKP_Risk_High", "CHKP_Risk_Medium", "CHKP_Risk_Low", "CHKP_TF_ROOTED",
    )  # fmt: skip
    assert name_of("risk:none", Tagging()) == "CHKP_Risk_None"


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ({"tag_status": False}, names.STATUS_KEYS),
        ({"tag_risk": False}, names.RISK_KEYS),
        ({"tag_factors": False}, ("factor:ROOTED",)),
    ],
)
def test_a_switch_takes_its_part_and_no_other_out(off: dict[str, bool], gone: tuple[str, ...]) -> None:
    every = needed_keys(Tagging(), ["ROOTED"])
    needed = needed_keys(Tagging(**off), ["ROOTED"])  # type: ignore[arg-type]  # switches alone
    assert [key for key in every if key not in needed] == list(gone)


def test_no_risk_has_a_tag_only_where_it_is_wanted_and_risk_is_tagged_at_all() -> None:
    assert "risk:none" in needed_keys(Tagging(tag_no_risk=True))
    assert "risk:none" not in needed_keys(Tagging(tag_no_risk=True, tag_risk=False))


@pytest.mark.parametrize(
    ("settings", "at", "says"),
    [
        (Tagging(names={"risk:high": ""}), "risk:high", names.EMPTY),
        (Tagging(names={"risk:high": "x" * 101}), "risk:high", names.TOO_LONG),
        (Tagging(names={"risk:high": "a\nb"}), "risk:high", names.UNREADABLE),
        (Tagging(names={"risk:high": " a"}), "risk:high", names.UNREADABLE),
        (Tagging(names={"risk:high": "a\u202eb"}), "risk:high", names.UNREADABLE),
        (Tagging(names={"risk:high": "chkp_risk_LOW"}), "risk:high", names.TWICE),
        (Tagging(names={"risk:high": "A", "risk:low": "a"}), "risk:low", names.TWICE),
        (Tagging(names={"risk:high": "y" * 60, "risk:low": "Y" * 60}), "risk:low", names.TWICE),
        (Tagging(names={"risk:high": "Caf\u00e9", "risk:low": "cafe\u0301"}), "risk:low", names.TWICE),
        (Tagging(names={"risk:high": "CHKP_tf_ANY"}), "risk:high", names.LIKE_A_FACTOR),
        (Tagging(names={"risk:odd": "A"}), "risk:odd", names.NO_SUCH_TAG),
        (Tagging(names={"factor:no": "A"}), "factor:no", names.NO_SUCH_TAG),
        (Tagging(prefix="p" * 31), "prefix", names.PREFIX_TOO_LONG),
        (Tagging(prefix="a\tb"), "prefix", names.UNREADABLE),
    ],
)
def test_a_name_that_cannot_be_used_is_complained_of(settings: Tagging, at: str, says: str) -> None:
    assert complaints(settings)[at] == says


def test_usual_and_sensible_names_are_not_complained_of() -> None:
    own = {"risk:high": "Threat: high", "factor:ROOTED": "Rooted phones", "status:active": "Geschützt"}
    assert complaints(Tagging(prefix="", names=own)) == complaints(Tagging()) == {}
    assert complaints(Tagging(names={"factor:ROOTED": "CHKP_TF_ROOTED"})) == {}


TYPED = st.dictionaries(
    st.sampled_from([*FIXED, "factor:ROOTED", "factor:BOTNET"]),
    st.text("ab_ CHKP\u202e", max_size=12)
    | st.sampled_from(["CHKP_Risk_High", "chkp_status_active", "z" * 51, "Z" * 51, "z" * 52]),
    max_size=4,
)


@given(TYPED, st.text("aC_ ", max_size=4))
def test_without_complaints_no_two_tags_share_a_name(typed: dict[str, str], prefix: str) -> None:
    settings = Tagging(prefix=prefix, names=typed)
    if complaints(settings):
        return
    every = [name_of(key, settings) for key in (*FIXED, *(f"factor:{code}" for code in CATALOGUE))]
    assert len({tag_key(name) for name in every}) == len(every)
    assert all(len(name) <= names.LONGEST_NAME for name in every)
    assert all(name and name.isprintable() and name == name.strip() for name in every)


@given(st.builds(Tagging, tag_status=st.booleans(), tag_risk=st.booleans(), tag_no_risk=st.booleans()))
def test_what_is_needed_is_managed_and_the_other_way_round(settings: Tagging) -> None:
    assert {key for key in FIXED if is_managed(key, settings)} == set(needed_keys(settings))


@given(st.text(min_size=1, max_size=150), st.text(min_size=1, max_size=150))
def test_names_that_differ_stay_different_when_they_are_shortened(one: str, other: str) -> None:
    assert len(shortened(one)) <= names.LONGEST_NAME
    assert shortened(one) == shortened(one)
    folded = {normalize("NFC", normalize("NFC", name).casefold()) for name in (one, other)}
    if len(folded) == 1 or max(len(one), len(other)) <= names.LONGEST_NAME:
        return
    assert shortened(one) != shortened(other)


@pytest.mark.parametrize("tail", ["_A", "_B", "_A_AND_MORE"])
def test_long_codes_of_threat_factors_have_names_of_their_own(tail: str) -> None:
    """They begin alike for 60 characters, which is more than the UEM keeps."""
    codes = [f"factor:{'X' * 50}{one}" for one in ("_A", "_B", "_A_AND_MORE")]
    keys = [tag_key(name_of(code, Tagging())) for code in codes]
    assert len(set(keys)) == len(codes)
    assert all(key.startswith("chkp_tf_x") for key in keys)
    assert tag_key(name_of(f"factor:{'X' * 50}{tail}", Tagging(prefix="chkp_"))) in keys


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("CHKP_Risk_High", "chkp_RISK_high", True),
        ("Geschützt", "GESCHÜTZT", True),
        ("Caf\u00e9", "CAFE\u0301", True),
        (" CHKP_Risk_High ", "CHKP_Risk_High", True),
        ("n" * 50 + "a", "n" * 50 + "b", True),
        ("n" * 49 + "a", "n" * 49 + "b", False),
        ("CHKP_Risk_High", "CHKP_Risk_High_old", False),
        ("CHKP Risk High", "CHKP_Risk_High", False),
    ],
)
def test_names_are_compared_as_the_uem_compares_them(one: str, other: str, same: bool) -> None:
    assert (tag_key(one) == tag_key(other)) is same
