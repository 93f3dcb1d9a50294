"""Tags: find them, make one, put it on devices, take it off, who carries it (facts/ws1-api.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harmony.uem.answers import Answer
from harmony.uem.errors import MalformedAnswer, RateLimited, UemError
from harmony.uem.records import BulkOutcome, Tag
from harmony.uem.workspace_one import readers
from harmony.uem.workspace_one.ahead import MAX_PAGES
from harmony.uem.workspace_one.building import Ask, Body, paged
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.rows import count, plain_id
from harmony.uem.workspace_one.wire import Row, loose_json, loose_object, rows_of, typed_tagged

DEVICE_TAG = 1
# No limit is published; what works with pages of devices is a careful guess (facts §6.2).
MOST_DEVICES = 500
NOT_FOUND, NO_CODE = 404, 0


def every(ask: Ask, group: str) -> list[Tag]:
    """The tags visible at an organization group, by id."""
    Call.GROUP_CHILDREN.path(group)
    found: dict[str, Tag] = {}
    for number in range(MAX_PAGES):
        params = {"organizationgroupid": group, **paged(number)}
        page = ask(Call.TAGS_SEARCH, readers.read_tags, params)
        fresh = {tag.external_id: tag for tag in page if tag.external_id not in found}
        if not fresh:
            break
        found.update(fresh)
    return list(found.values())


def create(ask: Ask, name: str, group: str) -> Tag:
    """Make a tag. When nobody knows what became of the call, it is looked for instead of made once more."""
    Call.GROUP_CHILDREN.path(group)
    content = {"TagAvatar": name, "TagName": name, "TagType": DEVICE_TAG, "LocationGroupId": int(group)}
    try:
        external_id = ask(Call.ADD_TAG, _new_id, body=Body(content, repeatable=False))
    except UemError as error:
        if not error.retryable or isinstance(error, RateLimited):
            raise
        found = [tag for tag in every(ask, group) if tag.name == name]
        if not found:
            raise
        return found[-1]
    return Tag(external_id, name, group)


def change(ask: Ask, call: Call, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
    """Put a tag on devices or take it off; both may be done again without harm."""
    if not 0 < len(device_ids) <= MOST_DEVICES:
        raise ValueError(f"1 to {MOST_DEVICES} devices in a call")
    content = {"BulkValues": {"Value": list(device_ids)}}
    asked = frozenset(device_ids)
    return ask(call, lambda answer: _outcome(answer, asked), None, tag_id, Body(content, expects=NOT_FOUND))


def carriers(ask: Ask, tag_id: str) -> list[str]:
    """The ids of the devices with the tag; a row whose id cannot be read is left out."""
    return ask(Call.TAG_DEVICES, _carriers, numeric_id=tag_id)


def _new_id(answer: Answer) -> str:
    """{"Value": 10021}, or the number alone."""
    value: Any = loose_json(answer.body)
    external_id = plain_id(Row({"Id": value}).ref("Id"))
    if external_id is None:
        raise MalformedAnswer("The UEM did not say under which id it made the tag.")
    return external_id


def _outcome(answer: Answer, asked: frozenset[str]) -> BulkOutcome:
    """200 also when some items fail; 404 when all do, or when there is no such tag: nothing tells them apart.

    That the UEM faults what was so already cannot be ruled out, so that only "not found" is believed at once.
    """
    if answer.status == NOT_FOUND:
        return BulkOutcome(unclear=dict.fromkeys(asked, NOT_FOUND))
    if answer.status == 204:
        return BulkOutcome()
    row = loose_object(answer.body)
    faults = {id_: code for id_, code in _faults(row).items() if id_ in asked}
    unknown = frozenset(id_ for id_, code in faults.items() if code == NOT_FOUND)
    if len(faults) < (count(row.get("FailedItems")) or 0):
        faults = dict.fromkeys(asked, NO_CODE) | faults
    return BulkOutcome(unknown, {id_: code for id_, code in faults.items() if id_ not in unknown})


def _faults(row: Row) -> dict[str, int]:
    """The code of each faulted item, by its id."""
    found = row.get("Faults")
    if not isinstance(found, dict):
        return {}
    rows = [Row(one) for one in rows_of(Row(found), "Fault") if isinstance(one, dict)]
    codes = ((plain_id(one.ref("ItemValue")), count(one.get("ErrorCode")) or NO_CODE) for one in rows)
    return {id_: code for id_, code in codes if id_}


def _carriers(answer: Answer) -> list[str]:
    if answer.status == 204:
        return []
    ids = typed_tagged(answer.body)
    if ids is None:
        rows = rows_of(loose_object(answer.body), "Device", "Devices")
        ids = [Row(row).ref("DeviceId", "Id") for row in rows if isinstance(row, dict)]
    return [plain for id_ in ids if (plain := plain_id(id_))]
