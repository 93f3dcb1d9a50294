"""What a list of apps proves, and what failures say of the server. Rungs: pure, H."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.apps.app_lists import Judgement, ReadingOutcome, digest, judge
from harmony.apps.failures import FIRST_FORBIDDEN, MOST_ANSWERED, MOST_CUT_OFF, Streak
from harmony.uem.errors import (
    BlockedByPolicy,
    CertificateExpired,
    ConnectionLost,
    Forbidden,
    HtmlAnswer,
    MalformedAnswer,
    NameNotFound,
    NotFound,
    RequestRefused,
    ServerFailed,
    SignInRefused,
    TimedOut,
    TooLarge,
    UemError,
    Unreachable,
)
from harmony.uem.records import AppList, AppOnDevice, Completeness

COUNTED, UNCOUNTED = Completeness.COUNTED, Completeness.UNCOUNTED
UNEVEN, PARTIAL = Completeness.UNEVEN, Completeness.PARTIAL
WHOLE, INCOMPLETE = ReadingOutcome.WHOLE, ReadingOutcome.INCOMPLETE
UNCONFIRMED = ReadingOutcome.UNCONFIRMED
MANY = frozenset(f"app{number}" for number in range(30))
OF_A_DEVICE = [
    NotFound("No."), HtmlAnswer("No."), Forbidden("No."), ServerFailed("No."), MalformedAnswer("No."),
    TooLarge("No."), RequestRefused("No."),
]  # fmt: skip


def listing(names: Sequence[str] | frozenset[str], completeness: Completeness = COUNTED) -> AppList:
    return AppList(tuple(AppOnDevice(name, "1", name) for name in sorted(names)), completeness)


@pytest.mark.parametrize(
    ("stored", "listed", "completeness", "others_counted", "outcome"),
    [
        ("ab", "a", COUNTED, True, WHOLE),
        ("ab", "a", COUNTED, False, WHOLE),
        ("ab", "abc", COUNTED, True, WHOLE),
        ("ab", "", COUNTED, True, UNCONFIRMED),
        ("a", "", UNCOUNTED, True, UNCONFIRMED),
        ("", "", UNCOUNTED, True, WHOLE),
        ("ab", "a", UNCOUNTED, True, INCOMPLETE),
        ("ab", "a", UNCOUNTED, False, UNCONFIRMED),
        ("ab", "abc", UNCOUNTED, False, WHOLE),
        ("ab", "a", UNEVEN, True, UNCONFIRMED),
        ("ab", "ab", UNEVEN, True, WHOLE),
        ("ab", "a", PARTIAL, True, INCOMPLETE),
        ("ab", "", PARTIAL, False, INCOMPLETE),
        ("", "ab", PARTIAL, True, INCOMPLETE),
    ],
)
def test_a_list_removes_only_what_it_proves_to_be_gone(
    stored: str, listed: str, completeness: Completeness, others_counted: bool, outcome: ReadingOutcome
) -> None:
    said = judge(set(stored), listing(listed, completeness), "", others_counted=others_counted)
    assert said.outcome is outcome
    assert said.unconfirmed == (digest(set(stored) - set(listed)) if outcome is UNCONFIRMED else "")


def test_a_list_that_lacks_many_at_once_is_believed_when_a_second_one_lacks_the_same() -> None:
    few = judge(MANY, listing(sorted(MANY)[:20]), "", others_counted=True)
    assert few == Judgement(WHOLE)
    first = judge(MANY, listing(sorted(MANY)[:19]), "", others_counted=True)
    assert first.outcome is UNCONFIRMED
    assert judge(MANY, listing(sorted(MANY)[:19]), first.unconfirmed, others_counted=True).removes
    other = judge(MANY, listing(sorted(MANY)[11:]), first.unconfirmed, others_counted=True)
    assert (other.outcome, other.unconfirmed != first.unconfirmed) == (UNCONFIRMED, True)


NAMES = st.frozensets(st.sampled_from(sorted(MANY)))


@given(NAMES, st.lists(st.tuples(NAMES, st.sampled_from(Completeness), st.booleans()), max_size=6))
def test_no_app_goes_that_the_two_last_lists_do_not_lack_unless_a_counted_one_lacks_few(
    stored: frozenset[str], looks: list[tuple[frozenset[str], Completeness, bool]]
) -> None:
    earlier, lacked_before = "", frozenset[str]()
    for names, completeness, others_counted in looks:
        said = judge(stored, listing(names, completeness), earlier, others_counted=others_counted)
        lacking = stored - names
        if said.removes and lacking:
            assert completeness is not PARTIAL
            counted = completeness is COUNTED and names and len(lacking) <= 10
            assert counted or lacking == lacked_before
        stored = names if said.removes else stored | names
        earlier, lacked_before = said.unconfirmed, lacking


@given(NAMES, NAMES, st.sampled_from([COUNTED, UNEVEN, UNCOUNTED]))
def test_the_truth_told_twice_is_believed(
    stored: frozenset[str], names: frozenset[str], completeness: Completeness
) -> None:
    told_twice = listing(names, completeness)
    first = judge(stored, told_twice, "", others_counted=False)
    stored = names if first.removes else stored | names
    assert judge(stored, told_twice, first.unconfirmed, others_counted=False).removes


def ended_after(errors: Sequence[UemError], *, read: int = 0, had_failed: bool = False) -> int | None:
    """After how many failures the run ends; None if it goes on."""
    streak = Streak()
    for _ in range(read):
        streak.note_read()
    for number, error in enumerate(errors, 1):
        if streak.ends_run(error, had_failed=had_failed):
            return number
    return None


@pytest.mark.parametrize("error", [*OF_A_DEVICE, TimedOut("No."), ConnectionLost("No.")])
@pytest.mark.parametrize("read", [0, 1])
def test_one_device_ends_nothing(error: UemError, read: int) -> None:
    assert ended_after([error] * 2, read=read) is None


@pytest.mark.parametrize(
    "error",
    [
        SignInRefused("No."), Unreachable("No."), NameNotFound("No."), CertificateExpired("No."),
        BlockedByPolicy("No."), UemError("No."),
    ],
)  # fmt: skip
def test_what_no_device_can_cause_ends_the_run_at_once(error: UemError) -> None:
    assert ended_after([error], read=9) == 1


@pytest.mark.parametrize("error", OF_A_DEVICE)
def test_many_in_a_row_are_the_servers(error: UemError) -> None:
    assert ended_after([error] * 30, read=1) == MOST_ANSWERED
    assert ended_after([error] * 999, read=1, had_failed=True) is None, "those that failed before come last"
    first = MOST_ANSWERED if not isinstance(error, Forbidden) else FIRST_FORBIDDEN
    assert ended_after([error] * 30) == first
    assert ended_after([error] * 30, had_failed=True) == MOST_ANSWERED


def test_a_dead_server_ends_the_run_soon() -> None:
    for had_failed in (True, False):
        assert ended_after([TimedOut("No.")] * 30, read=9, had_failed=had_failed) == MOST_CUT_OFF
    assert ended_after([TimedOut("No."), ConnectionLost("No.")] * 30) == MOST_CUT_OFF


def test_a_list_between_failures_shows_that_the_server_works() -> None:
    streak = Streak()
    for _ in range(200):
        assert not streak.ends_run(ServerFailed("No."), had_failed=False)
        assert not streak.ends_run(TimedOut("No."), had_failed=False)
        streak.note_read()


def test_only_the_first_devices_can_show_that_a_permission_is_missing() -> None:
    forbidden = Forbidden("No.")
    assert ended_after([forbidden] * 5) == FIRST_FORBIDDEN
    assert ended_after([forbidden] * 5, read=1) is None
    assert ended_after([NotFound("No."), *[forbidden] * 5]) is None


@pytest.mark.parametrize(
    ("failures", "read", "ever_read", "of_server"),
    [
        ([Forbidden], 0, False, True),
        ([Forbidden], 0, True, False),
        ([Forbidden, Forbidden], 0, True, True),
        ([ServerFailed, ServerFailed], 0, True, True),
        ([ServerFailed, NotFound], 0, True, False),
        ([ServerFailed, ServerFailed], 1, True, False),
        ([], 0, False, False),
    ],
)
def test_a_run_that_read_nothing_at_all_failed(
    failures: list[type[UemError]], read: int, ever_read: bool, of_server: bool
) -> None:
    streak = Streak(read=read)
    for kind in failures:
        streak.ends_run(kind("No."), had_failed=False)
    assert streak.is_of_server(ever_read=ever_read) is of_server
    again = Streak(read=read)
    for kind in failures:
        again.ends_run(kind("No."), had_failed=True)
    assert not again.is_of_server(ever_read=ever_read), "all of them had failed before"
