"""Texts of registration messages: closed variables, filled as text or HTML (rung: pure)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.messages.registration.template import LONGEST, html, inert, plain, problems
from harmony.messages.registration.texts import language_of, languages

HOSTILE = '<img src=x onerror="alert(1)"> {{code}} & http://evil.example'


@pytest.mark.parametrize("key", languages())
def test_the_texts_of_every_language_are_complete_and_right(key: str) -> None:
    language = language_of(key)
    assert language.texts.keys() == LONGEST.keys()
    assert language.words.keys() == language_of("en").words.keys()
    assert [found for name, text in language.texts.items() for found in problems(name, text)] == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("subject", "{{code}}", "{{code}} cannot be used here."),
        ("sms", "{{link}} {{qr}}", "{{qr}} cannot be used here."),
        ("body", "{{link}} {{password}}", "There is no variable {{password}}."),
        ("body", "{{link}} {{ na me }}", "A variable is written {{name}}, with two braces on each side."),
        ("body", "{{link}} {{name}", "A variable is written {{name}}, with two braces on each side."),
        ("body", "Hello", "Without {{code}} or {{link}} nobody can register."),
        ("subject", " ", "Enter a text."),
        ("subject", "x" * 201, "At most 200 characters."),
    ],
)
def test_a_text_that_could_not_be_sent_is_refused_with_the_reason(name: str, text: str, said: str) -> None:
    assert said in problems(name, text)


def test_a_hostile_name_is_text_and_nothing_else() -> None:
    values = {"name": HOSTILE, "code": "AAAA", "link": "https://h/register#AAAA"}
    assert plain("Hello {{name}}: {{code}}", values) == f"Hello {HOSTILE}: AAAA"
    page = html("Hello {{name}},\n\n{{link}}", values)
    assert "<img" not in page
    assert "AAAA</a>" in page
    assert re.findall(r'href="([^"]*)"', page) == ["https://h/register#AAAA"]


def test_the_html_has_paragraphs_and_the_picture_and_escapes_what_the_administrator_wrote() -> None:
    page = html("<script>\n{{ name }}\r\n\r\n\r\n{{qr}}", {"name": "Kim"})
    first, second = page.split("\n<p>")
    assert first == "<p>&lt;script&gt;<br>\nKim</p>"
    assert second.startswith('<img src="cid:qr"')


def test_the_steps_are_filled_once_and_their_link_can_be_pressed() -> None:
    values = {"steps": "1. Open https://h/register#A\n2. <b>", "link": "https://h/register#A"}
    page = html("{{steps}}", values)
    assert '1. Open <a href="https://h/register#A">' in page
    assert "<br>\n2. &lt;b&gt;" in page


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_written_or_filled_in_makes_no_tag(text: str, name: str) -> None:
    page = html(f"{text} {{{{name}}}}", {"name": name})
    tags = set(re.findall(r"<[^>]*>", page))
    assert tags <= {"<p>", "</p>", "<br>", '<img src="cid:qr" alt="QR code" width="220" height="220">'}


@given(st.text())
def test_an_inert_name_is_one_short_printable_line(name: str) -> None:
    assert inert(name).isprintable()
    assert len(inert(name)) <= 128
