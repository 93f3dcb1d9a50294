"""A list as a CSV file: recorded, sent while it is read, and harmless when a spreadsheet opens it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from flask import Response, g, stream_with_context

from harmony.audit import audit
from harmony.clock import now
from harmony.db import write
from harmony.db.personal import hidden_rows, hides_personal_data
from harmony.models import Integration
from harmony.web.shared.filters import Filters

# A cell that begins so is a formula to a spreadsheet; the last four are the wide forms of the first.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LINES_AT_ONCE = 200
# Without it Excel reads a file in the encoding of the machine it runs on.
_BYTE_ORDER_MARK = "\ufeff"


def csv_file(
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    event: str,
    detail: str = "",
    integration_id: int | None = None,
) -> Response:
    """Return the file that a browser saves as `name`.csv, after an entry of the audit trail that it was.

    Times are written in UTC, None as nothing. `rows` are read after that entry is written.
    """
    with write() as session:
        integration = session.get(Integration, integration_id) if integration_id else None
        audit(session, g.user.name, event, now(), integration, detail=detail)
    seen = hidden_rows(rows) if hides_personal_data() else rows
    answer = Response(stream_with_context(_text(header, seen)), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def narrowed(filters: Filters) -> str:
    """Return for the audit trail what a list was narrowed by; not to what, which may be personal data."""
    labels = ", ".join(chip.label for chip in filters.chips())
    return f"Filtered by: {labels}" if labels else "All entries"


def cell(value: object) -> str:
    """Return a value as text; a text that would be a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA) else text


def _text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    buffer = io.StringIO()
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer)
    writer.writerow(header)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % _LINES_AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
