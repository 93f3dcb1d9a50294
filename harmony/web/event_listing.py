"""The rows behind the page of events: filters, words, the query of a page or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy import select

from harmony.models import Device, Event, Integration, Severity, Verb
from harmony.protect.factors import Vector
from harmony.web.ids import number
from harmony.web.newest import NEWEST, Place, Query

SEVERITIES = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFORMATION: "Information"}
VERBS = {
    Verb.DETECTED: "Detected",
    Verb.ENDED: "Ended",
    Verb.REGISTERED: "Registered",
    Verb.UNREGISTERED: "Unregistered",
    Verb.ACTIVE: "Active",
    Verb.INACTIVE: "Inactive",
    Verb.POLICY_CHANGED: "Policy changed",
    Verb.INSTALLED: "Installed",
    Verb.REMOVED: "Removed",
    Verb.BLOCKED: "Blocked",
    Verb.UNBLOCKED: "Unblocked",
}
COLUMNS = (
    Event.id, Event.at, Event.severity, Event.vector, Event.factor, Event.verb, Event.detail,
    Event.device_id, Device.name.label("device"), Event.integration_id, Integration.name.label("integration"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventFilters:
    """What the address asks for; what does not exist is no filter."""

    severity: str | None = None
    verb: str | None = None
    vector: str | None = None
    integration_id: int | None = None
    device_id: int | None = None
    place: Place = NEWEST

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> EventFilters:
        return cls(
            _one_of(Severity, query.get("severity")),
            _one_of(Verb, query.get("event")),
            _one_of(Vector, query.get("vector")),
            number(query.get("integration", "")),
            number(query.get("device", "")),
            Place.from_query(query),
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything but the place in the list was asked for."""
        return any((self.severity, self.verb, self.vector)) or not (
            self.integration_id is None and self.device_id is None
        )

    def href(self, endpoint: str = "events.index", older: int | None = None, newer: int | None = None) -> str:
        """The address of the same list at another place or in another form."""
        wanted: dict[str, Any] = {
            "severity": self.severity, "event": self.verb, "vector": self.vector,
            "integration": self.integration_id, "device": self.device_id, "older": older, "newer": newer,
        }  # fmt: skip
        return url_for(endpoint, **wanted)


def events(filters: EventFilters) -> Query:
    """The events with the names of their devices and integrations."""
    query: Query = (
        select(*COLUMNS)
        .outerjoin(Device, Device.id == Event.device_id)
        .outerjoin(Integration, Integration.id == Event.integration_id)
    )
    for column, wanted in (
        (Event.severity, filters.severity),
        (Event.verb, filters.verb),
        (Event.vector, filters.vector),
        (Event.integration_id, filters.integration_id),
        (Event.device_id, filters.device_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query


def _one_of(words: type[Severity] | type[Verb] | type[Vector], text: str | None) -> str | None:
    return text if text in set(words) else None
