"""JSON cut down to a depth is the same JSON with what is deeper emptied (rungs: pure, H)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.device_api.partial import shallow

TEXTS = st.text(st.sampled_from('a"\\[]{},: \n'))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=30,
)


def emptied(value: Any, levels: int) -> Any:
    """The same, decided on the values."""
    if isinstance(value, list):
        return [emptied(item, levels - 1) for item in value] if levels > 0 else []
    if isinstance(value, dict):
        return {name: emptied(item, levels - 1) for name, item in value.items()} if levels > 0 else {}
    return value


@given(VALUES, st.integers(1, 5))
def test_what_is_not_too_deep_is_kept_to_the_letter(value: Any, deepest: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(shallow(text, deepest)) == emptied(value, deepest)
    assert shallow(text, deepest=1000) == text


@given(st.text(st.sampled_from('a"\\[]{},: ')), st.integers(1, 5))
def test_what_is_no_json_ends_too(text: str, deepest: int) -> None:
    assert len(shallow(text, deepest)) <= len(text)


@pytest.mark.parametrize("text", ['{"a": [[[[', '[[[["x', '{"a": "[[[[', "[[[[]]"])
def test_what_is_cut_short_does_not_become_whole(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=r"line 1 column"):
        json.loads(shallow(text, 2))
