"""Workspace ONE UEM as a `UemClient`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import Incomplete, SignInRefused
from harmony.uem.http.client import CallLimits, TimeSource, Transport
from harmony.uem.http.exchange import DirectExchange
from harmony.uem.http.response import Answer, refuse_non_data
from harmony.uem.records import (
    AppList,
    AppPage,
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
from harmony.uem.trust.address import parse_server
from harmony.uem.workspace_one import groups, readers, tags
from harmony.uem.workspace_one.app_rows import read_device_apps
from harmony.uem.workspace_one.device_apps import all_apps
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.errors import refuse_failures
from harmony.uem.workspace_one.page_process import PageProcess
from harmony.uem.workspace_one.prefetch import MAX_PAGES, pages_in_order
from harmony.uem.workspace_one.requests import PAGE_SIZE, Body, paged, request_of
from harmony.uem.workspace_one.sign_in import make_sign_in

T = TypeVar("T")

# One of the forms the API documents (facts/ws1-api.md §5.1); whole seconds are exact enough with an overlap.
_SINCE_FORMAT = "%Y-%m-%dT%H:%M:%S.000"
# A password changed during a run is refused to every call under way, and a few refusals lock the account.
_FETCHERS_BY_PASSWORD = 2
# Through a Connector a fifth of a page's time is its way there and back, when the UEM is not asked.
_FETCHERS_BY_ROUTE = 1.25


class WorkspaceOne:
    """See `harmony.uem.client.UemClient`; safe to use from several threads."""

    def __init__(
        self,
        connection: Connection,
        fetchers: int = 4,
        limits: CallLimits | None = None,
        times: TimeSource | None = None,
    ) -> None:
        if not 1 <= fetchers <= 16:
            raise ValueError("fetchers is 1 to 16")
        few = isinstance(connection.sign_in, Basic)
        self._fetchers = min(fetchers, _FETCHERS_BY_PASSWORD) if few else fetchers
        is_direct = few or connection.route is DirectExchange
        self._pages_at_once = math.ceil(self._fetchers * (1 if is_direct else _FETCHERS_BY_ROUTE))
        times = times or TimeSource()
        address = parse_server(connection.server_url, connection.policy)
        self._sign_in = make_sign_in(connection, address, limits, times)
        shared, route = connection.shared, connection.route
        self._transport = Transport(
            address, connection.policy, connection.ca_pem, limits, times, shared=shared, route=route
        )
        self._pages = PageProcess()
        self._proven = False

    def system_info(self) -> SystemInfo:
        """Product and version; proves that address and credentials work."""
        return self.call(Call.SYSTEM_INFO, readers.read_system_info)

    def groups(self) -> list[Group]:
        """Organization groups with their parents, then smart groups."""
        return groups.organization_groups(self.call) + groups.smart_groups(self.call)

    def device_pages(self, group_id: str, since: datetime | None = None) -> Iterator[DevicePage]:
        """Pages of devices of an organization group; the UEM includes its child groups."""
        Call.GROUP_CHILDREN.path(group_id)
        asked = {"lgid": group_id, "orderby": "deviceid", "sortorder": "ASC"}
        if since is not None:
            asked["seensince"] = since.astimezone(UTC).strftime(_SINCE_FORMAT)
        return pages_in_order(
            lambda number: self._device_page(asked, number), self._pages_at_once, self._proven
        )

    def device(self, external_id: str) -> UemDevice | SkippedRow:
        """Return one device; a row that names another one than was asked for cannot be read."""
        read = self.call(Call.DEVICE, readers.read_device, None, external_id)
        if read.external_id == external_id:
            return read
        return SkippedRow(external_id, "The UEM answered with another device than was asked for.")

    def smart_group_members(self, group_id: str) -> frozenset[str]:
        """Device ids of a smart group; raises Incomplete when a single one could not be read."""
        members: set[str] = set()
        for number in range(MAX_PAGES):
            page = self.call(Call.SMART_GROUP_DEVICES, readers.read_members, paged(number), group_id)
            ids = {external_id for external_id in page if external_id is not None}
            if len(ids) < len(set(page)):
                raise Incomplete("The UEM's list of this smart group has a row without a readable device id.")
            # Whether this call knows pages is not documented: the same ids again mean that it does not.
            if ids <= members:
                return frozenset(members)
            members |= ids
        raise Incomplete(f"The UEM sent {MAX_PAGES} pages of a smart group and no end.")

    def device_apps(self, external_id: str) -> AppList:
        """Return the apps of a device, in one call unless it has more than a page of them."""
        return all_apps(lambda number: self._app_page(external_id, number), PAGE_SIZE)

    def tags(self, organization_group_id: str) -> TagList:
        """Return the tags visible at an organization group."""
        return tags.every(self.call, organization_group_id)

    def search_tags(self, name: str, organization_group_id: str) -> TagList:
        """Return the tags of that name visible at an organization group, perhaps among others."""
        return tags.every(self.call, organization_group_id, name)

    def create_tag(self, name: str, organization_group_id: str) -> Tag:
        """Make a device tag at an organization group."""
        return tags.create(self.call, name, organization_group_id)

    def tag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        """Put a tag on devices."""
        return tags.change(self.call, Call.ADD_DEVICES, tag_id, device_ids)

    def untag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        """Take a tag off devices."""
        return tags.change(self.call, Call.REMOVE_DEVICES, tag_id, device_ids)

    def tagged_devices(self, tag_id: str) -> Carriers:
        """Return the devices that carry a tag."""
        return tags.carriers(self.call, tag_id)

    def quota(self) -> Quota | None:
        """Calls left, as the last answer told."""
        return self._transport.quota

    def calls(self) -> int:
        """Calls to the UEM so far; those for a token go to another server and cost no quota."""
        return self._transport.calls

    def parallel(self) -> int:
        """As many as `fetchers`; fewer with a password, whose refusals lock the account."""
        return self._fetchers

    def clock_skew(self) -> float | None:
        """Seconds the server's clock is ahead of ours."""
        return self._transport.clock_skew

    def authenticate(self) -> bool:
        """Sign in now; tell if that took a new token. Raises UemError."""
        self._sign_in.headers()
        return self._sign_in.fetched

    def close(self) -> None:
        """End calls under way and forget the connections."""
        self._sign_in.close()
        self._transport.close()
        self._pages.close()

    def call(
        self,
        call: Call,
        read: Callable[[Answer], T],
        params: dict[str, str] | None = None,
        numeric_id: str | None = None,
        body: Body | None = None,
    ) -> T:
        """One call of the closed list, signed in, with a single renewal of a refused token.

        `read` gets every success, and a refusal whose status the body expects.
        """
        path = call.path(numeric_id)
        signed = self._sign_in.headers()

        def once() -> T:
            request = request_of(call, path, params or {}, signed, body)
            understand = partial(self._understood, call, read, body)
            return self._transport.fetch(replace(request, secret_of=self._sign_in.origin), understand)

        try:
            result = once()
        except SignInRefused as refusal:
            if not self._sign_in.renew(signed):
                self._sign_in.give_up(refusal)
                raise
            signed = self._sign_in.headers()
            result = self._last_try(once)
        self._proven = True
        return result

    def _understood(self, call: Call, read: Callable[[Answer], T], body: Body | None, answer: Answer) -> T:
        refuse_non_data(answer)
        if body is None or answer.status != body.expects:
            refuse_failures(answer, call, self._sign_in.advice)
        return read(answer)

    def _last_try(self, once: Callable[[], T]) -> T:
        try:
            return once()
        except SignInRefused as refusal:
            self._sign_in.give_up(refusal)
            raise

    def _app_page(self, external_id: str, number: int) -> AppPage:
        def read(answer: Answer) -> AppPage:
            return read_device_apps(answer, number, external_id)

        return self.call(Call.DEVICE_APPS, read, paged(number), external_id)

    def _device_page(self, asked: dict[str, str], number: int) -> DevicePage | None:
        def read(answer: Answer) -> DevicePage | None:
            return readers.read_device_page(answer, number, self._pages.read)

        return self.call(Call.DEVICES_SEARCH, read, {**asked, **paged(number)})
