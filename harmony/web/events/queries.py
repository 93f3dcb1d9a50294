"""The rows behind the page of events: filters, words, the query of a page or a file."""

from __future__ import annotations

from sqlalchemy import select

from harmony.models import Device, Event, Integration, Severity, Verb
from harmony.protection.catalogue import Vector
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, IdFilter, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.paging import Order, Query
from harmony.web.shared.scope import device_in_scope

SEVERITIES = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFORMATION: "Information"}
VERBS = {
    Verb.DETECTED: "Detected",
    Verb.ENDED: "Ended",
    Verb.REGISTERED: "Registered",
    Verb.UNREGISTERED: "Unregistered",
    Verb.REFUSED: "Registration refused",
    Verb.ACTIVE: "Active",
    Verb.INACTIVE: "Inactive",
    Verb.POLICY_CHANGED: "Policy changed",
    Verb.INSTALLED: "Installed",
    Verb.REMOVED: "Removed",
    Verb.BLOCKED: "Blocked",
    Verb.UNBLOCKED: "Unblocked",
    Verb.UNREAD: "Not read in full",
}
_COLUMNS = (
    Event.id, Event.at, Event.severity, Event.vector, Event.factor, Event.verb, Event.detail,
    Event.device_id, Device.name.label("device"), Event.integration_id, Integration.name.label("integration"),
)  # fmt: skip

FILTERS: tuple[Filter, ...] = (
    ChoiceFilter("severity", Event.severity, words_of(Severity)),
    ChoiceFilter("event", Event.verb, words_of(Verb)),
    ChoiceFilter("vector", Event.vector, words_of(Vector), label="Attack vector"),
    IdFilter("integration", Event.integration_id),
    IdFilter("device", Event.device_id),
)
NEWEST_FIRST = Order(Event.id)


def events(filters: Filters) -> Query:
    """Return the events with the names of their devices and integrations."""
    query: Query = (
        select(*_COLUMNS)
        .outerjoin(Device, Device.id == Event.device_id)
        .outerjoin(Integration, Integration.id == Event.integration_id)
    )
    return query.where(*filters.conditions(), *shown(Event.integration_id), *device_in_scope(Event.device_id))
