"""The texts of registration messages: the defaults of each language, and what administrators changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import write
from harmony.models import MessageTemplate

_DEFAULT_LANGUAGE = "en"
_FOLDER = Path(__file__).with_name("languages")
_EDITED, _RESET = "Edited the registration messages", "Reset the registration messages"


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its own name, words that are fixed, and the default texts."""

    key: str
    title: str
    words: Mapping[str, str]
    texts: Mapping[str, str]


@cache
def languages() -> dict[str, Language]:
    """Return every language by its key, English first."""
    found = [_read(path) for path in sorted(_FOLDER.glob("*.toml"))]
    return {language.key: language for language in sorted(found, key=_english_first)}


def language_of(key: str) -> Language:
    """Return a language, English where there is none of that key."""
    return languages().get(key, languages()[_DEFAULT_LANGUAGE])


def texts_in_force(session: Session, key: str) -> dict[str, str]:
    """Return the texts of a language, as they were changed."""
    row = session.get(MessageTemplate, key)
    return {**language_of(key).texts, **(row.texts if row else {})}


def save(key: str, texts: Mapping[str, str], edition: int, by: str, now: datetime) -> bool:
    """Save what differs from the defaults; False when somebody saved after `edition` was read."""
    changed = {name: text for name, text in texts.items() if text != languages()[key].texts[name]}
    with write() as session:
        row = session.get(MessageTemplate, key)
        if (row.edition if row else 0) != edition:
            return False
        if row is None:
            row = MessageTemplate(language=key, edition=0)
            session.add(row)
        row.texts, row.edition = changed, row.edition + 1
        audit(session, by, _EDITED if changed else _RESET, now, detail=languages()[key].title)
    return True


def _read(path: Path) -> Language:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    texts = {name: text.strip() for name, text in data["texts"].items()}
    return Language(path.stem, data["title"], data["words"], texts)


def _english_first(language: Language) -> tuple[bool, str]:
    return language.key != _DEFAULT_LANGUAGE, language.key
