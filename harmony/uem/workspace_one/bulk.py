"""Reads an answer about many devices: each is done, unknown to the UEM, or unclear (ws1-api.md §6.2, 14).

Nothing is done because it was not named: the counters must sum to what was asked.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harmony.uem.http.response import Answer
from harmony.uem.records import BulkOutcome
from harmony.uem.workspace_one.rows import count, plain_id
from harmony.uem.workspace_one.wire import JsonObject, loose_object

NOT_FOUND, NO_CODE = 404, 0
_LONGEST_MESSAGE = 300

# The code of these faults is not public, and their wording differs between releases.
_ALREADY_ON = re.compile(r"\balready\b")
_NOT_ON = re.compile(
    r"(\bnot|n't|\bno longer|\bnever)\s+(been\s+)?"
    r"(associated|assigned|applied|attached|tagged|present|on|have)\b"
)
_ABOUT_A_TAG = re.compile(r"\b(un)?tag(s|ged)?\b")
_NO_DEVICE = re.compile(
    r"\bdevices?\b.*(\bnot (be )?(found|known|enrolled)|does(n't| not) exist|\bunknown)|\bunknown device"
)


class _Fault(NamedTuple):
    """One item that failed, with the UEM's code and its message in small letters without the full stop."""

    code: int
    message: str

    def is_so_already(self, *, add: bool) -> bool:
        """Return True if the tag was on the device already, or off it already: what was asked for is so."""
        if not _ABOUT_A_TAG.search(self.message):
            return False
        on, off = _ALREADY_ON.search(self.message), _NOT_ON.search(self.message)
        return bool(on and not off) if add else bool(off and not on)

    @property
    def is_unknown_device(self) -> bool:
        """Return True if the UEM says that it knows no such device."""
        tag = _ABOUT_A_TAG.search(self.message)
        return bool(_NO_DEVICE.search(self.message)) or (self.code == NOT_FOUND and not tag)


def outcome(answer: Answer, asked: frozenset[str], *, add: bool) -> BulkOutcome:
    """Return the outcome of each device that was asked for.

    200 comes also when some items fail; 404 when all do, or when there is no such tag: nothing tells them
    apart. An answer without counters, or with counters that do not sum, leaves unclear what it does not name.
    """
    if answer.status in {NOT_FOUND, 204}:
        return BulkOutcome(unclear=dict.fromkeys(asked, NOT_FOUND if answer.status == NOT_FOUND else NO_CODE))
    row = loose_object(answer.body)
    faults, odd = _faults(row)
    named = {id_: fault for id_, fault in faults.items() if id_ in asked}
    sums = not odd and len(named) == len(faults) and _sums(row, len(asked), len(named))
    unclear = {} if sums else dict.fromkeys(asked - named.keys(), NO_CODE)
    unclear |= {id_: fault.code for id_, fault in named.items() if not fault.is_so_already(add=add)}
    unknown = frozenset(id_ for id_ in named if id_ in unclear and named[id_].is_unknown_device)
    return BulkOutcome(unknown, {id_: code for id_, code in unclear.items() if id_ not in unknown})


def _sums(row: JsonObject, asked: int, failed: int) -> bool:
    counters = [count(row.get(name)) for name in ("TotalItems", "AcceptedItems", "FailedItems")]
    return counters == [asked, asked - failed, failed]


def _faults(row: JsonObject) -> tuple[dict[str, _Fault], int]:
    """Return the faulted items by their ids, and how many rows name none or contradict another."""
    found = row.get("Faults")
    rows = JsonObject(found).get("Fault") if isinstance(found, dict) else found
    if rows is None:
        return {}, 0
    if isinstance(rows, dict):  # a list of one, as translated from XML
        rows = [rows]
    if not isinstance(rows, list):
        return {}, 1
    faults: dict[str, _Fault] = {}
    for item in rows:
        fault = JsonObject(item) if isinstance(item, dict) else JsonObject({})
        if (id_ := plain_id(fault.ref("ItemValue"))) is not None:
            faults.setdefault(id_, _Fault(count(fault.get("ErrorCode")) or NO_CODE, _folded(fault)))
    return faults, len(rows) - len(faults)


def _folded(fault: JsonObject) -> str:
    text = (fault.text("Message") or "")[:_LONGEST_MESSAGE]
    return " ".join(text.replace("\u2019", "'").casefold().split()).rstrip(". ")
