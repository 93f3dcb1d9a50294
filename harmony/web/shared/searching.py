"""What is typed into a search field, as a condition on a column of folded text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_

from harmony.folding import fold

_ESCAPE = "\\"


def search(column: Any, typed: str) -> ColumnElement[bool]:
    """Return the condition; what is typed must hold a letter that can be seen.

    With dashes in it the text is looked for without them too: a UDID is shown in both ways.
    """
    text = fold(typed)
    spellings = {text, text.replace("-", "") or text}
    return or_(*(_contains(column, spelling) for spelling in sorted(spellings)))


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    pattern = text.replace(_ESCAPE, _ESCAPE * 2).replace("%", f"{_ESCAPE}%").replace("_", f"{_ESCAPE}_")
    condition: ColumnElement[bool] = column.like(f"%{pattern}%", escape=_ESCAPE)
    return condition
