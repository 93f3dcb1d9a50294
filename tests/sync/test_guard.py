"""May these devices be deleted? (rung: pure tables and Hypothesis)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.models.states import Absence
from harmony.sync.deletion.guard import DOUBTS, Cause, Facts, Reason, decide
from tests.builders import NOON

DAY = timedelta(hours=24)

counts = st.integers(0, 60)
thresholds = st.integers(0, 100)
absences = st.frozensets(st.sampled_from(Absence))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    live = draw(counts)
    return Facts(
        due=draw(st.integers(0, live)),
        live=live,
        threshold=draw(thresholds),
        deleted_lately=draw(counts),
        whys=draw(absences),
        suspect=draw(st.none() | st.sampled_from([Absence.EDITED, Absence.RESTORED])),
        waiting=draw(st.booleans()),
        emptied=tuple(draw(st.lists(st.text(), max_size=7))),
    )


def causes(one: Facts) -> list[Cause]:
    return [reason.cause for reason in decide(one).reasons]


@pytest.mark.parametrize(
    ("due", "live", "threshold", "allowed"),
    [
        (1, 5, 20, True),
        (2, 5, 20, False),
        (10_000, 50_000, 20, True),
        (10_001, 50_000, 20, False),
        (1, 1, 20, False),
        (1, 1, 100, True),
        (1, 100_000, 0, False),
        (0, 0, 0, True),
    ],
)
def test_the_threshold_is_strict_and_protects_five_devices_as_well_as_fifty_thousand(
    due: int, live: int, threshold: int, allowed: bool
) -> None:
    assert decide(Facts(due, live, threshold)).allowed is allowed


@pytest.mark.parametrize("why", DOUBTS)
def test_a_doubtful_absence_holds_whatever_the_percentage(why: Absence) -> None:
    one = Facts(due=1, live=1000, threshold=100)
    assert causes(replace(one, whys=frozenset({Absence.PLAIN, why}))) == [DOUBTS[why]]
    assert causes(replace(one, suspect=why)) == [DOUBTS[why]]
    assert decide(replace(one, whys=frozenset({Absence.PLAIN}))).allowed


def test_while_a_hold_is_open_every_deletion_waits() -> None:
    assert causes(Facts(due=1, live=1000, threshold=100, waiting=True)) == [Cause.WAITING]


def test_small_deletions_that_add_up_within_a_day_are_held() -> None:
    assert decide(Facts(due=5, live=90, threshold=20, deleted_lately=10)).allowed
    assert causes(Facts(due=15, live=90, threshold=20, deleted_lately=10)) == [Cause.ROLLING]


@given(facts())
def test_nothing_due_needs_no_permission_and_a_refusal_always_has_a_reason(one: Facts) -> None:
    assert decide(replace(one, due=0)).allowed
    assert decide(one).allowed is not bool(decide(one).reasons)


@given(facts(), st.data())
def test_more_due_devices_are_never_easier_to_delete(one: Facts, data: st.DataObject) -> None:
    more = replace(one, due=data.draw(st.integers(one.due, one.live)))
    assert decide(one).allowed or not decide(more).allowed


@given(facts())
def test_a_threshold_of_zero_holds_every_deletion(one: Facts) -> None:
    assert decide(replace(one, threshold=0)).allowed is (one.due == 0)


@given(facts())
def test_a_threshold_of_a_hundred_never_holds_by_percentage(one: Facts) -> None:
    assert not {Cause.THRESHOLD, Cause.ROLLING} & set(causes(replace(one, threshold=100)))


@given(facts(), st.integers(2, 1000))
def test_the_share_counts_and_not_the_size_of_the_fleet(one: Facts, factor: int) -> None:
    larger = replace(
        one, due=one.due * factor, live=one.live * factor, deleted_lately=one.deleted_lately * factor
    )
    assert causes(larger) == causes(one)


@given(
    thresholds,
    st.integers(1, 200),
    st.lists(st.tuples(st.integers(0, 14 * 60), st.integers(0, 60), st.integers(0, 5)), max_size=30),
)
def test_what_syncs_delete_never_exceeds_the_threshold_within_a_day(
    threshold: int, fleet: int, days: list[tuple[int, int, int]]
) -> None:
    """The model: time passes, devices fall due and new ones come; each allowed deletion is done at once."""
    now, live, done = NOON, fleet, list[tuple[datetime, int]]()
    for minutes, falling, arriving in days:
        now, live = now + timedelta(minutes=minutes), live + arriving
        due = min(falling, live)
        lately = sum(count for at, count in done if at > now - DAY)
        if decide(Facts(due, live, threshold, lately)).allowed:
            done.append((now, due))
            assert (lately + due) * 100 <= threshold * (live + lately)
            live -= due


@given(facts())
def test_a_reason_is_stored_and_read_without_loss_and_has_a_sentence(one: Facts) -> None:
    for reason in decide(one).reasons:
        assert Reason.read(str(reason)) == reason
        assert reason.sentence.endswith(".")
        assert "{" not in reason.sentence or reason.groups


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (Facts(412, 1500, 20), "412 of 1,500 devices would go; the deletion threshold is 20 %."),
        (Facts(1, 1500, 0), "The deletion threshold is 0 %, so that every deletion needs approval."),
        (
            Facts(15, 90, 20, 10),
            "With the 10 deleted in the last 24 hours, 25 of 100 devices would be gone; "
            "the deletion threshold is 20 %.",
        ),
        (
            Facts(1, 90, 20, whys=frozenset({Absence.EMPTIED}), emptied=("Sales: R&D", "Lab=1")),
            "There were devices in Sales: R&D, Lab=1; none is listed there any more.",
        ),
        (
            Facts(1, 90, 20, whys=frozenset({Absence.EMPTIED})),
            "Chosen groups that had devices list none any more.",
        ),
    ],
)
def test_the_sentence_names_the_numbers_and_the_groups(one: Facts, sentence: str) -> None:
    assert decide(one).reasons[0].sentence == sentence
