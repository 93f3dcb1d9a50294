"""From an answer to records, one function for each call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from harmony.uem.errors import MalformedAnswer, NotFound, NotTheApi
from harmony.uem.http.response import Answer
from harmony.uem.records import (
    DevicePage,
    Group,
    GroupKind,
    OddTag,
    SkippedRow,
    SystemInfo,
    Tag,
    TagList,
    UemDevice,
)
from harmony.uem.workspace_one.device_page import PageContent, page_content, record_of
from harmony.uem.workspace_one.rows import clean, count, plain_id
from harmony.uem.workspace_one.wire import (
    JsonObject,
    loose_device,
    loose_json,
    loose_object,
    rows_of,
)


def read_system_info(answer: Answer) -> SystemInfo:
    """Product and version; raises NotTheApi when the JSON names neither."""
    row = loose_object(answer.body)
    product, version = clean(row.text("ProductName")), clean(row.text("ProductVersion"))
    if not product and not version:
        raise NotTheApi("The server answered, but not as Workspace ONE UEM does.")
    return SystemInfo(product or "Workspace ONE UEM", version or "unknown")


def read_device_page(
    answer: Answer, number: int, read: Callable[[bytes], PageContent] = page_content
) -> DevicePage | None:
    """Return a page, or None for 204 and for an empty list, the two ways the UEM says "no more"."""
    if answer.status == 204:
        return None
    page = read(answer.body)
    if not (page.devices or page.skipped):
        return None
    return DevicePage(number, page.devices, page.skipped, page.total)


def read_device(answer: Answer) -> UemDevice | SkippedRow:
    """Return the answer about a single device; raises NotFound for 204."""
    if answer.status == 204:
        raise NotFound("The UEM has nothing to say of this device (status 204).")
    members = loose_json(answer.body)
    if not isinstance(members, dict):
        raise MalformedAnswer("The server answered with another kind of data than expected.")
    return record_of(loose_device(members))


def read_groups(answer: Answer) -> list[Group]:
    """Organization groups of a search, without parents, which only a tree has."""
    if answer.status == 204:
        return []
    rows = _objects(rows_of(loose_object(answer.body), "OrganizationGroups", "LocationGroups"))
    return [group for row in rows if (group := _organization_group(row, None))]


def read_tree(answer: Answer) -> list[Group]:
    """Return the bare array of `groups/{id}/children`: the group itself and everything below, with parents.

    The group itself has a parent too, if it is not the top of the tenant; the account may not see that one.
    """
    if answer.status == 204:
        return []
    value = loose_json(answer.body)
    if not isinstance(value, list):
        raise MalformedAnswer("The answer about child groups is not a list.")
    return [
        group
        for row in _objects(value)
        if (group := _organization_group(row, row.ref("ParentLocationGroup")))
    ]


def _organization_group(row: JsonObject, parent: Any) -> Group | None:
    external_id = plain_id(row.ref("Id"))
    if external_id is None:
        return None
    parent_id = plain_id(parent)
    return Group(
        kind=GroupKind.ORGANIZATION,
        external_id=external_id,
        name=clean(row.text("Name")) or f"Group {external_id}",
        type=clean(row.text("LocationGroupType")) or "Organization group",
        devices=count(row.get("Devices")),
        parent_id=parent_id if parent_id != external_id else None,
        organization_group_id=None,
        uuid=clean(row.text("Uuid")),
    )


def under_visible_parents(groups: Iterable[Group]) -> list[Group]:
    """The UEM names the parent of the account's own group too, although it shows that group to nobody."""
    found = list(groups)
    visible = {group.external_id for group in found}
    return [group if group.parent_id in visible else replace(group, parent_id=None) for group in found]


def read_smart_groups(answer: Answer) -> list[Group]:
    """Smart groups of a search."""
    if answer.status == 204:
        return []
    rows = _objects(rows_of(loose_object(answer.body), "SmartGroups"))
    return [group for row in rows if (group := _smart_group(row))]


def _smart_group(row: JsonObject) -> Group | None:
    external_id = plain_id(row.ref("SmartGroupID", "Id"))
    if external_id is None:
        return None
    return Group(
        kind=GroupKind.SMART,
        external_id=external_id,
        name=clean(row.text("Name")) or f"Smart group {external_id}",
        type="Smart group",
        devices=count(row.get("Devices")),
        parent_id=None,
        organization_group_id=plain_id(row.ref("ManagedByOrganizationGroupId")),
    )


def read_members(answer: Answer) -> list[str | None]:
    """Device ids of a smart group; None stands for a row whose id could not be read."""
    if answer.status == 204:
        return []
    rows = rows_of(loose_object(answer.body), "Devices", "Device")
    return [
        plain_id(JsonObject(row).ref("Id", "DeviceId")) if isinstance(row, dict) else plain_id(_scalar(row))
        for row in rows
    ]


def read_tags(answer: Answer) -> TagList:
    """Return a page of the tags of a search, odd rows included."""
    if answer.status == 204:
        return TagList()
    envelope = loose_object(answer.body)
    rows = rows_of(envelope, "Tags")
    read = [_tag(JsonObject(row)) if isinstance(row, dict) else OddTag(None, "") for row in rows]
    tags = tuple(row for row in read if isinstance(row, Tag))
    odd = tuple(row for row in read if isinstance(row, OddTag))
    return TagList(tags, odd, len(rows), count(envelope.get("Total")) or 0)


def _tag(row: JsonObject) -> Tag | OddTag:
    external_id, name = plain_id(row.ref("Id")), clean(row.text("TagName", "Name"))
    if external_id is None or not name:
        return OddTag(external_id, name)
    return Tag(external_id, name, plain_id(row.ref("LocationGroupId")))


def read_nothing(answer: Answer) -> None:
    """For a probe: any JSON, or none at all, shows that the call is allowed."""
    if answer.status != 204:
        loose_json(answer.body)


def _objects(rows: Iterable[object]) -> list[JsonObject]:
    return [JsonObject(row) for row in rows if isinstance(row, dict)]


def _scalar(value: object) -> int | str | None:
    return value if isinstance(value, int | str) else None
