"""The form of a new API key."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from wtforms import BooleanField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from harmony.db import db
from harmony.models import User
from harmony.security.api_keys import NewApiKey
from harmony.web.shared.ids import number
from harmony.web.shared.pasted import stripped
from harmony.web.users.forms import AccessForm

_DAYS = {"30": "30 days", "90": "90 days", "180": "180 days", "365": "A year"}
_LIFETIMES = [SelectChoice(days, words) for days, words in _DAYS.items()]
_SERVICE = ""


class ApiKeyForm(AccessForm):
    """A new key: for whom, what it may do, and how long."""

    name = StringField("Name", [DataRequired("Give the key a name."), Length(max=48)], filters=[stripped])
    acts_for = SelectField("Acts for")
    hides_personal_data = BooleanField("Hide personal data")
    lifetime = SelectField("Expires after", choices=_LIFETIMES, default="90")

    def __init__(self, *typed: object) -> None:
        super().__init__(*typed)
        enabled = select(User.id, User.name).where(User.disabled_at.is_(None)).order_by(User.name_key)
        users = [SelectChoice(str(id_), name) for id_, name in db.session.execute(enabled)]
        self.acts_for.choices = [SelectChoice(_SERVICE, "A service of its own"), *users]

    def wanted(self) -> NewApiKey:
        """Return what was chosen."""
        role, scope = self.chosen()
        return NewApiKey(
            name=self.name.data or "",
            role=role,
            lifetime=timedelta(days=int(self.lifetime.data)),
            user_id=number(self.acts_for.data or ""),
            scope=scope,
            hides_personal_data=bool(self.hides_personal_data.data),
        )
