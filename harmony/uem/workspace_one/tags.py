"""Tags: find them, make one, put it on devices, take it off, who carries it (facts/ws1-api.md §6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from harmony.uem.errors import MalformedAnswer, RateLimited, UemError
from harmony.uem.http.response import Answer
from harmony.uem.records import BulkOutcome, Carriers, Tag, TagList
from harmony.uem.workspace_one import readers
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.prefetch import MAX_PAGES
from harmony.uem.workspace_one.requests import Ask, Body, paged
from harmony.uem.workspace_one.rows import count, plain_id
from harmony.uem.workspace_one.wire import AnyId, JsonObject, loose_json, loose_object, rows_of, typed_tagged

_DEVICE_TAG = 1
# No limit is published; what works with pages of devices is a careful guess (facts §6.2).
_MOST_DEVICES = 500
# The UEM keeps so many characters of a name, and compares names without case (facts §14).
_KEPT_OF_NAME = 50
# Other signs may be wildcards of the search.
_PLAIN_NAME = re.compile(r"[\w .-]+")

_NOT_FOUND, _NO_CODE = 404, 0
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


def every(ask: Ask, group: str, name: str = "") -> TagList:
    """Return the tags visible at an organization group; rows of the same id and name count once.

    With a `name` the UEM is asked for tags with it, and may list others too.
    """
    Call.GROUP_CHILDREN.path(group)
    narrowed = {"name": name} if _PLAIN_NAME.fullmatch(name) else {}
    found = TagList()
    for number in range(MAX_PAGES):
        params = {"organizationgroupid": group, **narrowed, **paged(number)}
        page = ask(Call.TAGS_SEARCH, readers.read_tags, params)
        known = {*found.tags, *found.odd}
        fresh = [row for row in (*page.tags, *page.odd) if row not in known]
        if not fresh:
            break
        found = found.extended(page)
    return found


def create(ask: Ask, name: str, group: str) -> Tag:
    """Make a tag. When nobody knows what became of the call, it is looked for instead of made once more."""
    Call.GROUP_CHILDREN.path(group)
    content = {"TagAvatar": name, "TagName": name, "TagType": _DEVICE_TAG, "LocationGroupId": int(group)}
    try:
        external_id = ask(Call.ADD_TAG, _new_id, body=Body(content, repeatable=False))
    except UemError as error:
        if not error.retryable or isinstance(error, RateLimited):
            raise
        found = [tag for tag in every(ask, group).tags if _folded(tag.name) == _folded(name)]
        if not found:
            raise
        return found[-1]
    return Tag(external_id, name, group)


def change(ask: Ask, call: Call, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
    """Put a tag on devices or take it off; both may be done again without harm."""
    if not 0 < len(device_ids) <= _MOST_DEVICES:
        raise ValueError(f"1 to {_MOST_DEVICES} devices in a call")
    content, add = {"BulkValues": {"Value": list(device_ids)}}, call is Call.ADD_DEVICES
    asked = frozenset(device_ids)
    body = Body(content, expects=_NOT_FOUND)
    return ask(call, lambda answer: _bulk_outcome(answer, asked, add=add), None, tag_id, body)


def carriers(ask: Ask, tag_id: str) -> Carriers:
    """Return the devices with the tag; rows whose id cannot be read are counted."""
    return ask(Call.TAG_DEVICES, _carriers, numeric_id=tag_id)


def _new_id(answer: Answer) -> str:
    """{"Value": 10021}, or the number alone."""
    value: Any = loose_json(answer.body)
    external_id = plain_id(JsonObject({"Id": value}).ref("Id"))
    if external_id is None:
        raise MalformedAnswer("The UEM did not say under which id it made the tag.")
    return external_id


def _folded(name: str) -> str:
    return name.strip()[:_KEPT_OF_NAME].strip().casefold()


def _carriers(answer: Answer) -> Carriers:
    if answer.status == 204:
        return Carriers()
    ids, total = typed_tagged(answer.body) or _loose_carriers(answer.body)
    plain = [external_id for id_ in ids if (external_id := plain_id(id_))]
    missing = max(len(ids), count(total) or 0) - len(plain)
    return Carriers(tuple(plain), missing)


def _loose_carriers(body: bytes) -> tuple[list[AnyId], Any]:
    envelope = loose_object(body)
    rows = rows_of(envelope, "Device", "Devices")
    ids = [JsonObject(row).ref("DeviceId", "Id") if isinstance(row, dict) else None for row in rows]
    return ids, envelope.get("Total")


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
        return bool(_NO_DEVICE.search(self.message)) or (self.code == _NOT_FOUND and not tag)


def _bulk_outcome(answer: Answer, asked: frozenset[str], *, add: bool) -> BulkOutcome:
    """Return the outcome of each device that was asked for: done, unknown or unclear (facts §6.2).

    Nothing is done because it was not named. 200 comes also when some items fail; 404 when all do, or when
    there is no such tag: nothing tells them apart. An answer without counters, or with
    counters that do not sum, leaves unclear what it does not name.
    """
    if answer.status in {_NOT_FOUND, 204}:
        code = _NOT_FOUND if answer.status == _NOT_FOUND else _NO_CODE
        return BulkOutcome(unclear=dict.fromkeys(asked, code))
    row = loose_object(answer.body)
    faults, odd = _faults(row)
    named = {id_: fault for id_, fault in faults.items() if id_ in asked}
    sums = not odd and len(named) == len(faults) and _sums(row, len(asked), len(named))
    unclear = {} if sums else dict.fromkeys(asked - named.keys(), _NO_CODE)
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
            faults.setdefault(id_, _Fault(count(fault.get("ErrorCode")) or _NO_CODE, _message(fault)))
    return faults, len(rows) - len(faults)


def _message(fault: JsonObject) -> str:
    text = (fault.text("Message") or "")[:_LONGEST_MESSAGE]
    return " ".join(text.replace("\u2019", "'").casefold().split()).rstrip(". ")
