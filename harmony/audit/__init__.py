"""History of devices, and the audit trail of people's actions: written inside the caller's `write()`."""

from __future__ import annotations

from harmony.audit.fields import changed_fields, changed_values
from harmony.audit.record import COMMAND_LINE, EVENTS, SCHEDULE, audit, record_history

__all__ = [
    "COMMAND_LINE",
    "EVENTS",
    "SCHEDULE",
    "audit",
    "changed_fields",
    "changed_values",
    "record_history",
]
