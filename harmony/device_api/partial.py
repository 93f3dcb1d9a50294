"""PURE: read what can be read of a body, and count the rest: nothing readable is lost to what is not.

A text that is too long is cut. An entry that cannot be read is left out, and a list with such an entry is not
whole: what it does not name may be what could not be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harmony.device_api.report import Omission, ReportedApp, ReportedThreat, believed
from harmony.protection.catalogue import LONGEST_CODE, factor_of, is_code
from harmony.uem.text import clean

_LONGEST_SUBJECT = _LONGEST_IDENTIFIER = _LONGEST_NAME = 256
_LONGEST_VERSION = 64
MOST_FINDINGS, MOST_APPS = 200, 1000
FINDINGS, APPS = "findings", "apps"

_LARGEST_NUMBER = 2**63
_NOT_OF_A_CODE = re.compile(r"[^A-Z0-9_]+")
# A body is an object, its lists hold objects, and these hold texts: deeper down nothing is read.
_DEEPEST = 8

# Always a match, also for a string without its end: nothing is ever looked at twice.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


@dataclass(slots=True)
class BodyReader:
    """Reads the values of one body; counts by field what it left out and what it cut."""

    left_out: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)

    @property
    def omissions(self) -> tuple[Omission, ...]:
        """One for each field that was not read in full."""
        names = sorted(self.left_out.keys() | self.cut.keys())
        return tuple(Omission(name, self.left_out[name], self.cut[name]) for name in names)

    def text(self, name: str, value: object, longest: int) -> str:
        """Read the text of a field; "" for null and for what is no text, which counts as left out."""
        text = _text(value)
        if text is None:
            self.left_out[name] += 1
            return ""
        return self._cut(name, text, longest)

    def threats(self, entries: Iterable[object]) -> tuple[ReportedThreat, ...]:
        """Read each threat once, the most telling first, without what the dashboard concludes itself."""
        found = (self._threat(entry) for entry in entries)
        threats = believed(threat for threat in found if threat is not None)
        if len(threats) <= MOST_FINDINGS:
            return threats
        self.left_out[FINDINGS] += len(threats) - MOST_FINDINGS
        return tuple(_most_telling(threats)[:MOST_FINDINGS])

    def apps(self, entries: Iterable[object]) -> tuple[ReportedApp, ...]:
        """Read each app once; of too many always the same ones."""
        found = (self._app(entry) for entry in entries)
        apps = tuple(dict.fromkeys(app for app in found if app is not None))
        if len(apps) <= MOST_APPS:
            return apps
        self.left_out[APPS] += len(apps) - MOST_APPS
        return tuple(sorted(apps)[:MOST_APPS])

    def _threat(self, entry: object) -> ReportedThreat | None:
        code = self._code(entry.get("code")) if isinstance(entry, dict) else ""
        if not isinstance(entry, dict) or not code:
            self.left_out[FINDINGS] += 1
            return None
        return ReportedThreat(code, self.text(FINDINGS, entry.get("subject"), _LONGEST_SUBJECT))

    def _code(self, value: object) -> str:
        """Read the code as the catalogue would write it; "" if there is none in it."""
        text = unicodedata.normalize("NFKC", (_text(value) or "")[: 4 * LONGEST_CODE]).upper()
        code = _NOT_OF_A_CODE.sub("_", clean(text, len(text))).strip("_")
        if len(code) > LONGEST_CODE:
            self.cut[FINDINGS] += 1
            code = code[:LONGEST_CODE].strip("_")
        return code if is_code(code) else ""

    def _app(self, entry: object) -> ReportedApp | None:
        """An app without its whole identifier would be another app, so it is left out."""
        value = entry.get("identifier") if isinstance(entry, dict) else None
        identifier = clean(value, len(value)) if isinstance(value, str) else ""
        if not isinstance(entry, dict) or not 0 < len(identifier) <= _LONGEST_IDENTIFIER:
            self.left_out[APPS] += 1
            return None
        version = self._detail(entry.get("version"), _LONGEST_VERSION)
        return ReportedApp(identifier, version, self._detail(entry.get("name"), _LONGEST_NAME))

    def _detail(self, value: object, longest: int) -> str:
        """Read a detail of an app beside its identifier; the app counts without."""
        text = _text(value)
        if text is None:
            self.cut[APPS] += 1
            return ""
        return self._cut(APPS, text, longest)

    def _cut(self, name: str, text: str, longest: int) -> str:
        if len(text) > longest:
            self.cut[name] += 1
        return clean(text, longest)


def shallow(text: str, deepest: int = _DEEPEST) -> str:
    """Return the JSON text with every list and object below `deepest` levels emptied.

    Only brackets and strings are looked at: what is kept may be no JSON, and is judged by the parser.

    >>> shallow('{"a": [1, [2, {"b": "]"}]], "c": 3}', deepest=2)
    '{"a": [1, []], "c": 3}'
    """
    kept, start, depth = [], 0, 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in {"[", "{"}:
            depth += 1
            if depth == deepest + 1:
                kept.append(text[start : token.end()])
        elif token[0] in {"]", "}"}:
            if depth == deepest + 1:
                start = token.start()
            depth -= 1
    return "".join(kept) + (text[start:] if depth <= deepest else "")


def in_words(omissions: Iterable[Omission]) -> str:
    """Say the omissions in numbers, for pages.

    >>> in_words([Omission("apps", 3, 1), Omission("os_version", 0, 1)])
    'apps: 3 left out, 1 cut; os_version: 1 cut'
    """
    parts = []
    for name, left_out, cut in omissions:
        counts = [f"{count:,} {word}" for count, word in ((left_out, "left out"), (cut, "cut")) if count]
        parts.append(f"{name}: {', '.join(counts)}")
    return "; ".join(parts)


def _text(value: object) -> str | None:
    """Text as it was meant, so that a number is its digits; None when there is no text in it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Neither what is not a number nor one with a thousand digits is smaller.
    return str(value) if is_number and abs(value) < _LARGEST_NUMBER else None  # type: ignore[arg-type]


def _most_telling(threats: Sequence[ReportedThreat]) -> list[ReportedThreat]:
    """Known codes before unknown ones, and one of each code before the second of any."""
    of_code: Counter[str] = Counter()
    ranked = []
    for threat in threats:
        ranked.append((not factor_of(threat.code).known, of_code[threat.code], threat))
        of_code[threat.code] += 1
    return [threat for _unknown, _nth, threat in sorted(ranked, key=lambda rank: rank[:2])]
