"""The closed list of Workspace ONE calls; no other URL can be built.

`POST /API/mdm/devices/bulk` deletes devices and takes the same body as the tag calls, so being able to
build a URL from a string is a danger in itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from harmony.uem.http.response import MAX_BODY

# The devices of a tag come in one answer, some 150 bytes for each.
_MAX_LIST = 160 * 1024 * 1024
_NUMBER = re.compile(r"[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A path with at most one numeric id in it, the API version to ask for, the role permission it needs.

    No answer larger than `largest` bytes is read.
    """

    template: str
    version: int
    permission: str
    method: str = "GET"
    largest: int = MAX_BODY


READ_TAGS, EDIT_TAGS = "Settings > Tags > View Tag", "Settings > Tags > Edit Tag"
_ASSIGN_TAGS = "Device Management > Bulk Management > Assign Tags"


class Call(Enum):
    """Everything this client ever asks of the API; each that is no GET is about tags."""

    SYSTEM_INFO = _Endpoint("/API/system/info", 1, "API > REST > Admins > Read")
    GROUPS_SEARCH = _Endpoint("/API/system/groups/search", 2, "API > REST > Groups > Read")
    GROUP_CHILDREN = _Endpoint("/API/system/groups/{id}/children", 1, "API > REST > Groups > Read")
    SMART_GROUPS_SEARCH = _Endpoint("/API/mdm/smartgroups/search", 1, "API > REST > Smart Groups > Read")
    SMART_GROUP_DEVICES = _Endpoint(
        "/API/mdm/smartgroups/{id}/devices", 1, "API > REST > Smart Groups > Read"
    )
    DEVICES_SEARCH = _Endpoint("/API/mdm/devices/search", 2, "API > REST > Devices > Read")
    DEVICE = _Endpoint("/API/mdm/devices/{id}", 1, "API > REST > Devices > Read")
    DEVICE_APPS = _Endpoint("/API/mdm/devices/{id}/apps", 1, "API > REST > Apps > Read")
    TAGS_SEARCH = _Endpoint("/API/mdm/tags/search", 1, READ_TAGS)
    TAG_DEVICES = _Endpoint("/API/mdm/tags/{id}/devices", 1, READ_TAGS, largest=_MAX_LIST)
    ADD_TAG = _Endpoint("/API/mdm/tags/addtag", 1, EDIT_TAGS, "POST")
    ADD_DEVICES = _Endpoint("/API/mdm/tags/{id}/adddevices", 1, _ASSIGN_TAGS, "POST")
    REMOVE_DEVICES = _Endpoint("/API/mdm/tags/{id}/removedevices", 1, _ASSIGN_TAGS, "POST")

    def path(self, numeric_id: str | None = None) -> str:
        """Return the path for this call; raises ValueError for an id that is not a plain number."""
        template = self.value.template
        if ("{id}" in template) != (numeric_id is not None):
            raise ValueError(f"{self.name} was called with the wrong number of ids")
        if numeric_id is None:
            return template
        if not _NUMBER.fullmatch(numeric_id):
            raise ValueError(f"{self.name} takes a number")
        return template.replace("{id}", numeric_id)

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.value.method

    @property
    def accept(self) -> str:
        """The Accept header; without one the API may answer in XML."""
        return f"application/json;version={self.value.version}"
