"""The form of a new API key."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from wtforms import BooleanField, Form, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from harmony.db import db
from harmony.models import User
from harmony.models.access import Role
from harmony.security.api_keys import NewApiKey
from harmony.web.shared.ids import number
from harmony.web.shared.pasted import stripped

_LIFETIMES = [
    SelectChoice(*pair)
    for pair in (("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("365", "A year"))
]
_ROLES = [SelectChoice(role.value, role.value.capitalize()) for role in Role]
_SERVICE = ""


class ApiKeyForm(Form):
    """A new key: for whom, what it may do, and how long."""

    name = StringField("Name", [DataRequired("Give the key a name."), Length(max=48)], filters=[stripped])
    acts_for = SelectField("Acts for")
    role = RadioField("Role", choices=_ROLES, default=Role.VIEWER.value)
    hides_personal_data = BooleanField("Hide personal data")
    lifetime = SelectField("Expires after", choices=_LIFETIMES, default="90")

    def __init__(self, *typed: object) -> None:
        super().__init__(*typed)
        enabled = select(User.id, User.name).where(User.disabled_at.is_(None)).order_by(User.name_key)
        users = [SelectChoice(str(id_), name) for id_, name in db.session.execute(enabled)]
        self.acts_for.choices = [SelectChoice(_SERVICE, "A service of its own"), *users]

    def chosen(self) -> NewApiKey:
        """Return what was chosen."""
        return NewApiKey(
            name=self.name.data or "",
            role=Role(self.role.data),
            lifetime=timedelta(days=int(self.lifetime.data)),
            user_id=number(self.acts_for.data or ""),
            hides_personal_data=bool(self.hides_personal_data.data),
        )
