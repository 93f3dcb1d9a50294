"""Builders: each returns a valid thing with what matters to the test changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harmony.db import write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Integration, IntegrationState, Job, SetupPage, Verification
from harmony.models.configuration import (
    DEPLOYMENT,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ChosenGroup,
    Deployment,
    ServerDetails,
    Synchronization,
    Tagging,
    to_row,
)
from harmony.setup.drafts import digest
from harmony.uem.errors import NotFound, UemError
from harmony.uem.records import (
    AppList,
    DevicePage,
    Group,
    GroupKind,
    Quota,
    SkippedRow,
    SystemInfo,
    TagList,
    UemDevice,
)

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

DEVICE = UemDevice(
    external_id="100", uuid="u-100", udid="UDID100", serial="S100", name="kim Android", phone="+49 30 1",
    email="kim@example.com", user_name="kim", platform="Android", model="Pixel", os_version="15",
    ownership="C", group_id="570", group_name="Group 570", enrollment_status="Enrolled",
    compliance="Compliant", compromised=False, imei="", last_seen=NOON, enrolled_at=NOON,
)  # fmt: skip


def a_device(**changes: Any) -> UemDevice:
    """A device; `external_id` alone makes it another one."""
    number = changes.get("external_id", DEVICE.external_id)
    own = {"uuid": f"u-{number}", "udid": f"UDID{number}", "serial": f"S{number}"}
    own["group_name"] = f"Group {changes.get('group_id', DEVICE.group_id)}"
    values = {name: getattr(DEVICE, name) for name in DEVICE.__struct_fields__}
    return UemDevice(**(values | own | changes))


def devices(*numbers: int, **changes: Any) -> list[UemDevice]:
    """Several devices with these ids."""
    return [a_device(external_id=str(number), **changes) for number in numbers]


def a_choice(*groups: str, **changes: Any) -> Synchronization:
    """Synchronization settings for organization groups (`570`) and smart groups (`smart:9@570`)."""
    return Synchronization(groups=tuple(_chosen(group) for group in groups or ("570",)), **changes)


def _chosen(name: str) -> ChosenGroup:
    kind, _, rest = name.rpartition(":")
    id_, _, managed_by = rest.partition("@")
    return ChosenGroup(
        kind=kind or "organization",
        external_id=id_,
        name=f"Group {id_}",
        organization_group_id=managed_by or None,
    )


def an_integration(choice: Synchronization | None = None, due: datetime | None = NOON, **changes: Any) -> int:
    """An active integration whose pages are verified and in force; due at noon. Returns its id."""
    server = ServerDetails(display_name="Test UEM", server_address="https://uem.test")
    records = {
        SERVER: server,
        SYNCHRONIZATION: choice or a_choice(),
        TAGGING: Tagging(),
        DEPLOYMENT: Deployment(),
    }
    values = {"kind": "workspace_one", "name": "Test UEM", "state": IntegrationState.ACTIVE} | changes
    planned = {name: values.pop(name) for name in ("refresh_at", "failures") if name in values}
    with write() as session:
        job = Job(kind=JobKind.DEVICES, next_at=due, **planned)
        integration = Integration(created_at=NOON, sync_job=job, **values)
        session.add(integration)
        session.flush()
        for name, record in records.items():
            row = to_row(record)
            page = SetupPage(integration_id=integration.id, name=name, draft=row, applied=row)
            said = Verification(
                integration_id=integration.id, subject=name, digest=digest(row), passed=True, results=[]
            )
            said.started_at = said.finished_at = NOON
            session.add_all([page, said])
        return integration.id


@dataclass
class FakeUem:
    """A UemClient that answers from memory (rung R: it proves branching, nothing about sockets).

    `pulls` maps a group to its devices; `fail_at` raises after that many pages of any group.
    """

    pulls: Mapping[str, Sequence[UemDevice]] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    error: UemError | None = None
    fail_at: int = 0
    page_size: int = 2
    totals: Mapping[str, int] = field(default_factory=dict)
    skipped: Sequence[SkippedRow] = ()
    gone: frozenset[str] = frozenset()
    pages_given: int = 0
    asked: list[str] = field(default_factory=list)
    closed: bool = False
    on_page: Any = None

    def device_pages(self, group_id: str, since: datetime | None = None) -> Iterator[DevicePage]:
        listed = [
            one
            for one in self.pulls.get(group_id, ())
            if since is None or (one.last_seen is not None and one.last_seen >= since)
        ]
        total = self.totals.get(group_id, len(listed) + len(self.skipped))
        pages = range(0, max(len(listed), 1), self.page_size)
        for number, start in enumerate(pages):
            if self.error and self.pages_given >= self.fail_at:
                raise self.error
            if self.on_page:
                self.on_page(self.pages_given)
            self.pages_given += 1
            self.asked.append(group_id)
            skipped = tuple(self.skipped) if number == 0 else ()
            yield DevicePage(number, tuple(listed[start : start + self.page_size]), skipped, total)

    def device(self, external_id: str) -> UemDevice | SkippedRow:
        self.pages_given += 1
        self.asked.append(external_id)
        if self.error:
            raise self.error
        every = (row for rows in self.pulls.values() for row in rows)
        found = next((row for row in every if row.external_id == external_id), None)
        if found is None:
            raise NotFound("The UEM does not find what was asked for (status 404).")
        return found

    def smart_group_members(self, group_id: str) -> frozenset[str]:
        return self.members.get(group_id, frozenset())

    def system_info(self) -> SystemInfo:
        return SystemInfo("AirWatch Platform Service", "26.2.0.0")

    def groups(self) -> list[Group]:
        above = {"570": None, "571": "570", "600": None}
        organization = [
            Group(GroupKind.ORGANIZATION, id_, f"Group {id_}", "", len(self.pulls.get(id_, ())), parent, None)
            for id_, parent in above.items()
        ]
        smart = [
            Group(GroupKind.SMART, id_, f"Group {id_}", "", len(self.members.get(id_, ())), None, "570")
            for id_ in ("8", "9")
        ]
        return [group for group in organization + smart if group.external_id not in self.gone]

    def search_tags(self, name: str, organization_group_id: str) -> TagList:
        return self.tags(organization_group_id)

    def tags(self, organization_group_id: str) -> TagList:
        return TagList()

    def device_apps(self, external_id: str) -> AppList:
        return AppList()

    def parallel(self) -> int:
        return 1

    def calls(self) -> int:
        return self.pages_given

    def quota(self) -> Quota | None:
        return None

    def clock_skew(self) -> float | None:
        return None

    def close(self) -> None:
        self.closed = True


def due_jobs(now: datetime) -> list[tuple[int, JobKind]]:
    """The jobs that are due beside the device sync."""
    return [(id_, kind) for id_, kind in lease.due(now) if kind is not JobKind.DEVICES]
