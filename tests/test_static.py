"""Promises about the look: it obeys the strict CSP, icons exist, colours can be read, files stay small."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "static"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
CSS = (STATIC / "css/harmony.css").read_text()
JS = (STATIC / "js/harmony.js").read_text()
SYMBOLS = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an inline style": r"<style|\sstyle=",
    "an event handler": r"\son[a-z]+=|\shx-on\b",
    "JavaScript in an attribute": r"[\"']js:|javascript:",
    "another host": r"(src|href)=\"(https?:)?//",
}
NOT_ESCAPED = r"\|\s*safe\b|Markup\(|autoescape\s+false"
JINJA = re.compile(r"{{.*?}}|{%.*?%}|{#.*?#}", re.S)


def of_templates(look: Callable[[str], Iterable[str] | bool]) -> list[str]:
    """Every template in whose text `look` finds something."""
    return [
        f"{path.relative_to(ROOT)}: {found}" for path in TEMPLATES if (found := look(path.read_text("utf-8")))
    ]


def test_a_template_holds_nothing_that_the_policy_forbids() -> None:
    def forbidden(text: str) -> list[str]:
        html = JINJA.sub("", text)
        return [name for name, pattern in FORBIDDEN.items() if re.search(pattern, html)]

    assert of_templates(forbidden) == []


def test_a_template_escapes_all_text() -> None:
    assert of_templates(lambda text: bool(re.search(NOT_ESCAPED, text))) == []


def test_a_template_begins_by_saying_what_it_needs() -> None:
    assert of_templates(lambda text: not text.startswith("{# needs: ")) == []


def test_no_line_of_a_template_is_longer_than_120_characters() -> None:
    assert of_templates(lambda text: any(len(line) > 120 for line in text.splitlines())) == []


def test_each_icon_that_a_template_names_is_in_the_sprite() -> None:
    named = re.compile(r'(?:\b_?icon|empty_state)\(\s*"([a-z0-9-]+)"')
    assert of_templates(lambda text: set(named.findall(text)) - SYMBOLS) == []


def test_each_state_of_a_badge_has_its_icon_a_word_and_a_tone_of_the_stylesheet() -> None:
    table = re.search(r"set STATES = \{(.*?)\}\s*%\}", (ROOT / "templates/_ui.html").read_text(), re.S)
    assert table
    states = re.findall(r'"(\w+)": \("(\w+)", "([\w-]+)", "([^"]+)"\)', table[1])
    assert {"ok", "held", "auth_failed", "cancelled", "not_tried", "missing"} <= {name for name, *_ in states}
    for name, tone, icon, word in states:
        assert icon in SYMBOLS, name
        assert f".{tone} {{ --tone" in CSS, name
        assert word[0].isupper(), name


def test_the_sprite_and_the_favicon_carry_no_script_and_no_style() -> None:
    for name in ("icons.svg", "favicon.svg"):
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", (STATIC / name).read_text()), name


def test_the_settings_of_htmx_are_the_measured_ones() -> None:
    meta = re.search(r"name=\"htmx-config\"\s+content='([^']+)'", (ROOT / "templates/base.html").read_text())
    assert meta
    assert json.loads(meta[1]) == {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "historyRestoreAsHxRequest": False,
        "timeout": 15000,
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "422", "swap": True},
            {"code": "[45]..", "swap": False, "error": True},
        ],
    }


def test_the_script_needs_no_eval_and_writes_no_html_and_no_style() -> None:
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|\.style\b", JS)
    assert "Idiomorph.defaults.ignoreActiveValue = true" in JS


def test_the_stylesheet_stays_small_and_loads_nothing_from_elsewhere() -> None:
    assert len(CSS.splitlines()) <= 600
    assert re.findall(r"url\(\"?([^)\"]+)", CSS) == ["../vendor/pico-2.1.1/pico.min.css"]
    assert (STATIC / "css/../vendor/pico-2.1.1/pico.min.css").is_file()


def test_what_the_stylesheet_imports_is_asked_for_together_with_it() -> None:
    imported = re.findall(r"url\(\"\.\./([^)\"]+)", CSS)
    base = (ROOT / "templates/base.html").read_text()
    assert (
        re.findall(r"rel=\"preload\" href=\"{{ url_for\('static', filename='([^']+)'\) }}\"", base)
        == imported
    )


def test_the_script_of_passkeys_is_loaded_by_pages_that_have_a_button_for_one() -> None:
    named = {path.name for path in TEMPLATES if "passkeys.js" in path.read_text("utf-8")}
    assert named == {"_ui.html"}, "the macro of the button names it, and harmony.js loads it"


def test_all_scripts_and_styles_together_stay_below_60_kb_compressed() -> None:
    files = (path for path in STATIC.rglob("*") if path.suffix in {".js", ".css"})
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 60_000


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def tokens(theme: int) -> dict[str, str]:
    """The colour tokens of the light (0) or the dark (1) theme."""
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {name: pair[theme] for name, *pair in found} | {"white": "#ffffff"}


GROUNDS = ("ground", "panel", "raised", "well")
TONES = ("ok", "warning", "danger", "info", "neutral")
TEXT_ON = (
    [(text, ground) for text in ("text", "muted", "accent", *TONES) for ground in GROUNDS]
    + [(tone, f"{tone}-tint") for tone in TONES]
    + [("text", f"{tone}-tint") for tone in (*TONES, "accent")]
    + [("muted", "neutral-tint"), ("muted", "accent-tint"), ("accent", "accent-tint")]
    + [("white", fill) for fill in ("accent-fill", "accent-deep", "danger-fill")]
)
SHAPES_ON = [(shape, ground) for shape in ("line-strong", "accent-fill", "accent") for ground in GROUNDS]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground_it_stands_on(theme: int) -> None:
    colours = tokens(theme)
    weak = [(a, b, round(contrast(colours[a], colours[b]), 2)) for a, b in TEXT_ON]
    assert [entry for entry in weak if entry[2] < 4.5] == []


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_edges_of_controls_can_be_seen(theme: int) -> None:
    colours = tokens(theme)
    weak = [(a, b, round(contrast(colours[a], colours[b]), 2)) for a, b in SHAPES_ON]
    assert [entry for entry in weak if entry[2] < 3] == []
