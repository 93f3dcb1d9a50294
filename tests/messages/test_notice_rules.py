"""Troubles are told once for each reason, and once when they are over (rungs: pure, H)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.notices.rules import (
    SETTLED_AFTER,
    Announced,
    NoticeDecision,
    Trouble,
    TroubleKey,
    decide,
    is_summary_due,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEYS = [TroubleKey(NoticeKind.FAILING, "1"), TroubleKey(NoticeKind.WORKER, "")]


def a_trouble(key: TroubleKey = KEYS[0], reason: str = "failing") -> Trouble:
    return Trouble(key, reason, "Head office is failing", "The last 3 syncs failed.")


def told(reason: str = "failing", gone_at: datetime | None = None) -> dict[TroubleKey, Announced]:
    return {KEYS[0]: Announced(reason, "Head office is failing", NOON, gone_at)}


def test_a_new_trouble_is_told_and_the_same_one_is_not_told_again() -> None:
    assert decide([a_trouble()], {}, NOON).new == (a_trouble(),)
    assert decide([a_trouble()], told(), NOON) == NoticeDecision()


def test_another_reason_is_told() -> None:
    assert decide([a_trouble(reason="quarantined")], told(), NOON).new == (a_trouble(reason="quarantined"),)


def test_a_trouble_is_over_only_after_it_stayed_away() -> None:
    assert decide([], told(), NOON) == NoticeDecision(gone=(KEYS[0],))
    assert decide([], told(gone_at=NOON), NOON + SETTLED_AFTER / 2) == NoticeDecision()
    assert decide([a_trouble()], told(gone_at=NOON), NOON) == NoticeDecision(back=(KEYS[0],))
    assert decide([], told(gone_at=NOON), NOON + SETTLED_AFTER) == NoticeDecision(over=(KEYS[0],))


def test_two_looks_at_the_same_time_do_not_call_a_trouble_over() -> None:
    moments = timedelta(milliseconds=80)
    assert decide([], told(gone_at=NOON + moments), NOON) == NoticeDecision()
    assert decide([], told(gone_at=NOON + SETTLED_AFTER), NOON).over == (KEYS[0],), "the clock was ahead"
    monday = datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert not is_summary_due(monday + moments, monday)
    assert is_summary_due(monday + timedelta(days=1), monday), "the clock was ahead"


def test_the_summary_comes_every_monday_and_once_after_weeks_of_silence() -> None:
    monday = datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert is_summary_due(None, monday)
    assert not is_summary_due(monday, monday + timedelta(days=6, hours=23))
    assert is_summary_due(monday, monday + timedelta(days=7))
    assert is_summary_due(monday, monday + timedelta(days=30))
    assert not is_summary_due(monday + timedelta(days=30), monday + timedelta(days=30, minutes=1))


class Telling(RuleBasedStateMachine):
    """Troubles come and go as they like; what people are told makes sense at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.present: dict[TroubleKey, str] = {}
        self.told: dict[TroubleKey, Announced] = {}
        self.heard: dict[TroubleKey, list[str]] = {key: [] for key in KEYS}

    @rule(key=st.sampled_from(KEYS), reason=st.sampled_from(["failing", "quarantined"]))
    def trouble(self, key: TroubleKey, reason: str) -> None:
        self.present[key] = reason

    @rule(key=st.sampled_from(KEYS))
    def mended(self, key: TroubleKey) -> None:
        self.present.pop(key, None)

    @rule(minutes=st.integers(0, 30))
    def look(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        troubles = [a_trouble(key, reason) for key, reason in self.present.items()]
        decision = decide(troubles, self.told, self.now)
        for each in decision.new:
            self.told[each.key] = Announced(each.reason, each.title, self.now)
            self.heard[each.key].append(each.reason)
        for key in decision.over:
            del self.told[key]
            self.heard[key].append("over")
        for keys, gone_at in ((decision.gone, self.now), (decision.back, None)):
            for key in keys:
                self.told[key] = self.told[key]._replace(gone_at=gone_at)
        for key, reason in self.present.items():
            assert self.heard[key][-1] == reason, "every trouble was told"

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for heard in self.heard.values():
            assert all(before != after for before, after in pairwise(heard))
            assert heard[:1] != ["over"]


TestTelling = Telling.TestCase
