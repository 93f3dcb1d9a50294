"""How a tagging run ends in words: what is told, and that it fits its column. Rungs: pure, H."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from harmony.models import SyncRunState
from harmony.tagging import outcome as tagging_outcome
from harmony.tagging.outcome import Counts, of_push

NAMES = st.lists(st.text("W", min_size=50, max_size=100), max_size=9)
# Rows of older versions have names of 100 characters.
MANY = [f"{number}{'W' * 99}" for number in range(9)]


@example(MANY, MANY, MANY, 10**9)
@given(NAMES, NAMES, NAMES, st.integers(0, 10**6))
def test_the_sentence_fits_its_column_however_much_was_odd(
    problems: list[str], disputed: list[str], doubtful: list[str], failed: int
) -> None:
    doubts = [tagging_outcome.disputed(disputed)] if disputed else []
    doubts += [tagging_outcome.carriers_wrong(name, failed, failed, again=True) for name in doubtful]
    declined = [f"{name} on device {'9' * 20}" for name in problems[:3]]
    outcome = of_push(Counts(failed=failed), problems, declined, doubts)
    assert len(outcome.reason) <= 1024
    assert (outcome.state is SyncRunState.OK) == (not outcome.reason) == (not (problems or doubts or failed))


def test_a_run_names_what_was_declined_and_what_contradicts_what_is_known() -> None:
    doubts = [
        tagging_outcome.doubtful(["A", "B", "C", "D"]),
        tagging_outcome.contradicted(2),
        tagging_outcome.contradicted(3),
    ]
    outcome = of_push(Counts(failed=4), [], ["A on device 1", "A on device 2", "A on device 3"], doubts)
    assert outcome.reason == (
        "The UEM's answers about A, B, C and 1 more contradict each other; nothing is forgotten. "
        "The UEM once answered wrongly about 2 tags; a second look agreed with what is known. "
        "It contradicted itself once more. "
        "The UEM declined 4 tags (A on device 1, A on device 2, A on device 3 and 1 more); "
        "they are tried again by themselves."
    )
