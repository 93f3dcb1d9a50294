"""The form of an app: *Edit app exception*."""

from __future__ import annotations

from wtforms import RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from harmony.apps.exceptions import WORDS
from harmony.models import Action
from harmony.web.exceptions.forms import SAY_WHY, last_day
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

NONE = ""


class ExceptionForm(ConsoleForm):
    """The exception for every version of an app; a reason is asked for unless the exception is lifted."""

    action = RadioField(
        "Action",
        choices=[
            SelectChoice(NONE, "No exception"),
            *(SelectChoice(action.value, WORDS[action]) for action in Action),
        ],
    )
    reason = StringField("Reason", [Length(max=256)], filters=[stripped])
    ends_on = last_day()

    def validate_reason(self, field: StringField) -> None:
        if self.action.data and not field.data:
            raise ValidationError(SAY_WHY)

    def decided(self) -> Action | None:
        """Return the action, None to lift the exception."""
        return Action(self.action.data) if self.action.data else None
