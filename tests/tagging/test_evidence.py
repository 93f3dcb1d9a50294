"""What answers about tags prove: single answers never take anything away. Rungs: pure, H."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.jobs.accounting import contradicts_many
from harmony.tagging.evidence import (
    CONFIRMED_AFTER,
    Looks,
    Seen,
    TagVerdict,
    believed,
    is_believable,
    look_again_after,
    seen,
    verdict,
)
from harmony.uem.records import Carriers, OddTag, Tag, TagList

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOOKS = st.builds(Looks, st.sampled_from(Seen), st.sampled_from(Seen), st.sampled_from([True, False, None]))


def tags(*pairs: tuple[str, str], odd: tuple[OddTag, ...] = (), total: int = 0) -> TagList:
    """A list of tags by id and name."""
    found = tuple(Tag(id_, name, None) for id_, name in pairs)
    return TagList(found, odd, len(found) + len(odd), total)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (tags(("7", "Risk")), Seen.OURS),
        (tags(("7", "rISK ")), Seen.OURS),
        (tags(("7", "Risk"), ("8", "Risk")), Seen.OURS),
        (tags(("8", "Risk")), Seen.ABSENT),
        (tags(), Seen.ABSENT),
        (tags(("7", "Other")), Seen.RENAMED),
        (tags(("7", "Other"), ("7", "Risk")), Seen.UNCLEAR),
        (tags(odd=(OddTag("7", ""),)), Seen.UNCLEAR),
        (tags(odd=(OddTag(None, "RISK"),)), Seen.UNCLEAR),
        (tags(odd=(OddTag(None, ""),)), Seen.UNCLEAR),
        (tags(("7", "Other"), odd=(OddTag(None, "Risk"),)), Seen.UNCLEAR),
        (tags(odd=(OddTag("8", ""), OddTag(None, "Other"))), Seen.ABSENT),
        (tags(("8", "Other"), total=2), Seen.UNCLEAR),
    ],
)
def test_a_list_names_our_tag_denies_it_or_leaves_it_open(listing: TagList, said: Seen) -> None:
    assert seen("7", "Risk", listing) is said


@pytest.mark.parametrize(
    ("looks", "proven", "said"),
    [
        (Looks(Seen.ABSENT, Seen.ABSENT, False), True, TagVerdict.GONE),
        (Looks(Seen.ABSENT, Seen.ABSENT, True), True, TagVerdict.DOUBTFUL),
        (Looks(Seen.ABSENT, Seen.ABSENT), True, TagVerdict.DOUBTFUL),
        (Looks(Seen.ABSENT, Seen.ABSENT), False, TagVerdict.GONE),
        (Looks(Seen.RENAMED, Seen.RENAMED), True, TagVerdict.RENAMED),
        (Looks(Seen.RENAMED, Seen.ABSENT, False), True, TagVerdict.DISPUTED),
        (Looks(Seen.ABSENT, Seen.RENAMED), True, TagVerdict.DISPUTED),
        (Looks(Seen.RENAMED, Seen.OURS), True, TagVerdict.OURS),
        (Looks(Seen.OURS, Seen.OURS, False), True, TagVerdict.DOUBTFUL),
        (Looks(Seen.UNCLEAR, Seen.UNCLEAR), True, TagVerdict.DOUBTFUL),
        (Looks(Seen.UNCLEAR, Seen.UNCLEAR), False, TagVerdict.DISPUTED),
    ],
)
def test_looks_together_make_a_verdict(looks: Looks, proven: bool, said: TagVerdict) -> None:
    assert verdict(looks, proven=proven) is said


@given(LOOKS)
def test_a_tag_is_lost_only_when_every_look_agrees(looks: Looks) -> None:
    said = verdict(looks)
    if said is TagVerdict.GONE:
        assert (looks.first, looks.second, looks.exists) == (Seen.ABSENT, Seen.ABSENT, False)
    if said is TagVerdict.RENAMED:
        assert looks.first is looks.second is Seen.RENAMED
    if Seen.RENAMED in {looks.first, looks.second} and looks.second is not Seen.OURS:
        assert said in {TagVerdict.RENAMED, TagVerdict.DISPUTED}, "what has another name is never written"


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(TagVerdict), min_size=2),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30)),
)
def test_all_tags_of_ours_are_never_lost_at_once_on_first_sight(
    verdicts: dict[str, TagVerdict], minutes: dict[str, int]
) -> None:
    doubted = {key: NOON - count * MINUTE for key, count in minutes.items()}
    decided = believed(verdicts, set(verdicts), doubted, NOON)
    lost = [key for key, said in decided.items() if said in {TagVerdict.GONE, TagVerdict.RENAMED}]
    if len(lost) == len(verdicts):
        assert all(NOON - doubted[key] >= CONFIRMED_AFTER for key in verdicts)
    changed = {key for key in verdicts if decided[key] is not verdicts[key]}
    assert not changed or changed == set(verdicts)


def test_one_of_several_tags_may_go_and_so_may_the_only_one() -> None:
    gone = {"a": TagVerdict.GONE}
    assert believed(gone, ["a", "b"], {}, NOON) == believed(gone, ["a"], {}, NOON) == gone


@pytest.mark.parametrize(
    ("carriers", "missing", "known", "believable"),
    [
        (Carriers(), 3000, 3000, False),
        (Carriers(("1",)), 11, 100, False),
        (Carriers(("1",)), 10, 10, True),
        (Carriers(("1",)), 100, 1000, True),
        (Carriers(("1",), 1), 0, 1, False),
    ],
)
def test_a_list_that_contradicts_much_or_cannot_be_read_is_looked_at_again(
    carriers: Carriers, missing: int, known: int, believable: bool
) -> None:
    assert is_believable(carriers, missing, known) is believable


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_contradictions_are_never_more_believable(contradicted: int, known: int) -> None:
    if contradicts_many(contradicted, known):
        assert contradicts_many(contradicted + 1, known)


def test_a_doubt_is_looked_at_again_soon_and_then_less_often() -> None:
    waits = [look_again_after(NOON - age * MINUTE, NOON) // MINUTE for age in (0, 5, 20, 600)]
    assert waits == [5, 5, 20, 60]
