"""The interface of a UEM, whichever product it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from harmony.uem.records import (
    AppList,
    BulkOutcome,
    Carriers,
    DevicePage,
    Group,
    Quota,
    SkippedRow,
    SystemInfo,
    Tag,
    TagList,
    UemDevice,
)  # fmt: skip


class UemClient(Protocol):
    """Every failure is a UemError. Close the client to end calls that are under way."""

    def system_info(self) -> SystemInfo:
        """Product and version; proves that address and credentials work."""

    def groups(self) -> list[Group]:
        """Return every organization group and smart group the account sees."""

    def device_pages(self, group_id: str, since: datetime | None = None) -> Iterator[DevicePage]:
        """Return the devices of an organization group and, as the UEM pleases, of its children.

        With `since` (aware UTC) only those that were in contact since then.
        Pages come in order. The iterator ends only at the real end; anything else raises.
        """

    def device(self, external_id: str) -> UemDevice | SkippedRow:
        """Return one device as the UEM has it now; NotFound when it knows no such device."""

    def smart_group_members(self, group_id: str) -> frozenset[str]:
        """Return the device ids of a smart group, all of them or an error."""

    def device_apps(self, external_id: str) -> AppList:
        """Return the installed apps of one device; NotFound when the UEM knows no such device."""

    def tags(self, organization_group_id: str) -> TagList:
        """Return the device tags visible at an organization group, with the rows that could not be read."""

    def search_tags(self, name: str, organization_group_id: str) -> TagList:
        """The same for tags of that name. The UEM may list others too."""

    def create_tag(self, name: str, organization_group_id: str) -> Tag:
        """Make a device tag. Look first that there is none of that name: nothing here prevents a second one.

        When the answer is lost, it is looked for and never made again. The id is the word of one answer:
        confirm it before it is used.
        """

    def tag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        """Put a tag on at most 500 devices; once more does no harm. A missing tag is not reported.

        Raises RequestRefused or HtmlAnswer with their `status` when the call as a whole is declined.
        """

    def untag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        """Take it off them; once more does no harm."""

    def tagged_devices(self, tag_id: str) -> Carriers:
        """Return the devices that carry the tag; NotFound when there is no such tag."""

    def quota(self) -> Quota | None:
        """Calls left, as the last answer stated; None before the first."""

    def calls(self) -> int:
        """Return the number of calls so far, retries included."""

    def parallel(self) -> int:
        """Return the number of calls that may be under way at once."""

    def clock_skew(self) -> float | None:
        """Seconds the server's clock is ahead of ours, as the last answer stated."""

    def close(self) -> None:
        """End calls under way and forget the connections."""
