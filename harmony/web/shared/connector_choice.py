"""The choice of a Connector on a form: a form that does not send it leaves it as it is stored."""

from __future__ import annotations

from wtforms import SelectField


def keep_unsent(field: SelectField, stored: str) -> None:
    """Put the stored name into a field that was not sent: it must not turn into "sent directly"."""
    if not field.raw_data:
        field.data = stored
