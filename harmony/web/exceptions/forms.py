"""Forms of exceptions: the last day on which one counts, and the grounds of a changed risk."""

from __future__ import annotations

from typing import Any

from wtforms import DateField, StringField
from wtforms.validators import DataRequired, Length, Optional, ValidationError

from harmony.clock import now
from harmony.protection.expiry import today
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

SAY_WHY = "Say why, for whoever looks at this next."


def _not_over(_form: ConsoleForm, field: DateField) -> None:
    if field.data and field.data < today(now()):
        raise ValidationError("This day is over. Choose today or a later day.")


def last_day() -> Any:
    """Return a field for the last day; empty for an exception without an end."""
    return DateField("Last day", [Optional(), _not_over])


class GroundsForm(ConsoleForm):
    """The reason and the last day of a risk that the policy overrides."""

    reason = StringField("Reason", [DataRequired(SAY_WHY), Length(max=256)], filters=[stripped])
    ends_on = last_day()
