"""The rows behind the page of events: filters, words, the query of a page or a file."""

from __future__ import annotations

from sqlalchemy import select

from harmony.models import Device, Event, Integration, Severity, Verb
from harmony.protection.catalogue import Vector
from harmony.web.shared.filters import Choice, Filter, Filters, Number
from harmony.web.shared.newest_first import Query

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
    Verb.UNREAD: "Not read in full",
}
COLUMNS = (
    Event.id, Event.at, Event.severity, Event.vector, Event.factor, Event.verb, Event.detail,
    Event.device_id, Device.name.label("device"), Event.integration_id, Integration.name.label("integration"),
)  # fmt: skip


FILTERS: tuple[Filter, ...] = (
    Choice("severity", {severity.value: severity.value for severity in Severity}, Event.severity),
    Choice("event", {verb.value: verb.value for verb in Verb}, Event.verb),
    Choice("vector", {vector.value: vector.value for vector in Vector}, Event.vector),
    Number("integration", Event.integration_id),
    Number("device", Event.device_id),
)


def events(filters: Filters) -> Query:
    """The events with the names of their devices and integrations."""
    query: Query = (
        select(*COLUMNS)
        .outerjoin(Device, Device.id == Event.device_id)
        .outerjoin(Integration, Integration.id == Event.integration_id)
    )
    return query.where(*filters.conditions())
