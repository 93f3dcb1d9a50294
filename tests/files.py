"""The rows of a file as a spreadsheet reads them: UTF-8 said by a byte order mark."""

from __future__ import annotations

import csv
import io

from werkzeug.test import TestResponse

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def rows_of(answer: TestResponse) -> list[list[str]]:
    """Every row of a CSV answer, the header first."""
    assert answer.status_code == 200, answer.status
    assert answer.data.startswith(BYTE_ORDER_MARK)
    text = answer.data.decode("utf-8-sig")
    assert "\ufeff" not in text, "said once, at the beginning"
    return list(csv.reader(io.StringIO(text, newline="")))


def records_of(answer: TestResponse) -> list[dict[str, str]]:
    """The same, each row by the words of the header."""
    header, *rows = rows_of(answer)
    return [dict(zip(header, row, strict=True)) for row in rows]
