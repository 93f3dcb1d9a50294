"""The form of notices: where to, and which."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wtforms import SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from harmony.messages.notices.kinds import WORDS
from harmony.models import MessageChannel
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

# What every mail server takes; whether the address exists, the test says.
_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}")


class NoticesForm(ConsoleForm):
    """The wishes of one user."""

    address = StringField("E-mail address", [Length(max=256)], filters=[stripped])
    kinds = SelectMultipleField(
        "Notices", choices=[SelectChoice(kind.value, words.label) for kind, words in WORDS.items()]
    )
    channels = SelectMultipleField("Chat rooms", coerce=int)

    def validate_address(self, field: StringField) -> None:
        if field.data and not _ADDRESS.fullmatch(field.data):
            raise ValidationError("Enter one address such as ops@example.com.")
        if self.kinds.data and not field.data and not self.channels.data:
            raise ValidationError("Enter an address, or choose a chat room.")

    def offer(self, rooms: Iterable[MessageChannel]) -> None:
        """Offer these chat rooms."""
        self.channels.choices = [SelectChoice(room.id, room.name) for room in rooms]
