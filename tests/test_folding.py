"""What search takes for alike (rung: pure, H)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.folding import LONGEST_KEY, fold, lines, sort_key
from harmony.uem.device_keys import search_text

ALIKE = [
    ("anna's iphone", "Anna\u2019s iPhone"),
    ("anna's iphone", "Anna\u02bcs iPhone"),
    ("anna's iphone", "Anna\u00b4s\u00a0iPhone"),
    ("anna's iphone", " ANNA`S\u2009\u200biPhone\ufeff "),
    ('the "lab"', "The \u201eLab\u201c"),
    ('the "lab"', "The \u00abLab\u00bb"),
    ("x-ray 5-6", "X\u2011Ray 5\u20136"),
    ("x-ray 5-6", "X\u2010Ray 5\u22126"),
    ("jose", "Jose\u0301"),
    ("jose", "JOS\u00c9"),
    ("muller", "Mu\u0308ller"),
    ("strasse", "STRASSE"),
    ("strasse", "Stra\u00dfe"),
    ("strasse", "STRA\u1e9eE"),
    ("istanbul", "\u0130STANBUL"),
    ("isparta", "\u0131sparta"),
    ("soren", "S\u00f8ren"),
    ("lodz", "\u0141\u00f3d\u017a"),
    ("file 1", "\ufb01le \uff11"),
    ("co-op", "co\u00ad-op"),
    ("tab and line", "tab\tand\r\nline"),
    ("\u03c3\u03bf\u03c6\u03bf\u03c3", "\u03a3\u03bf\u03c6\u03cc\u03c2"),
    ("\u0438\u043e\u0438\u043d", "\u0419\u043e\u0439\u043d"),
]


@pytest.mark.parametrize(("typed", "stored"), ALIKE)
def test_what_looks_or_is_typed_alike_is_alike(typed: str, stored: str) -> None:
    assert fold(stored) == fold(typed) == typed


@pytest.mark.parametrize(
    ("one", "other"), [("\u304c", "\u304b"), ("a b", "ab"), ("a-b", "ab"), ("\u00f6", "oe"), ("1", "l")]
)
def test_what_is_another_letter_stays_one(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_composed_and_decomposed_are_alike(text: str) -> None:
    forms = {fold(unicodedata.normalize("NFC", text)), fold(unicodedata.normalize("NFD", text))}
    assert forms == {fold(text)}


@given(st.text())
def test_a_folded_text_can_be_stored_and_has_no_odd_space(text: str) -> None:
    folded = fold(text)
    folded.encode()
    assert folded == " ".join(folded.split())
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs"} for letter in folded)


@given(st.lists(st.text(st.characters(codec="ascii")) | st.text(), max_size=6))
def test_the_short_way_for_plain_texts_leads_to_the_same(texts: list[str]) -> None:
    assert lines(*texts) == "\n".join(sort_key(text) for text in texts)


def test_a_key_fits_an_index_however_much_a_letter_unfolds() -> None:
    assert len(sort_key("\ufdfa" * 255)) == LONGEST_KEY


def test_a_device_is_found_by_an_email_that_is_imported_and_by_no_other() -> None:
    found = search_text("Kim", "S1", "00-AB", "kim", "Kim@Example.com")
    assert found == "kim\ns1\n00-ab\n00ab\nkim\nkim@example.com"
    assert "workspaceone" not in search_text("", "S1", "AB", "", "AB@WorkspaceONE.UEM")
