"""The forms of users: invite one, change the access of one, choose a password by invitation."""

from __future__ import annotations

from wtforms import BooleanField, PasswordField, RadioField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, ValidationError

from harmony.models import Role
from harmony.security.passwords import password_problem
from harmony.security.users import find, name_problem
from harmony.web.shared.pasted import hidden_in, stripped
from harmony.web.shared.typed import ConsoleForm

ALL, SOME = "all", "some"
_ROLES = [SelectChoice(role.value, role.value.capitalize()) for role in Role]
_REACHES = [SelectChoice(ALL, "All devices"), SelectChoice(SOME, "Only these device groups")]


class AccessForm(ConsoleForm):
    """The role of a user, and how many devices it reaches."""

    role = RadioField("Role", choices=_ROLES, default=Role.VIEWER.value)
    reach = RadioField("Devices", choices=_REACHES, default=ALL)
    scope = SelectMultipleField("Device groups", validate_choice=False)

    def validate_scope(self, field: SelectMultipleField) -> None:
        """Refuse an empty choice: it would show nothing at all."""
        if self.reach.data == SOME and self.role.data != Role.ADMINISTRATOR and not field.data:
            raise ValidationError("Choose at least one device group, or all devices.")

    def chosen(self) -> tuple[Role, list[str] | None]:
        """Return the role and the scope that were chosen."""
        scope = list(self.scope.data or []) if self.reach.data == SOME else None
        return Role(self.role.data), scope


class InvitationForm(AccessForm):
    """A new user, who chooses a password by a link."""

    name = StringField("User name", [InputRequired("Give the user a name.")], filters=[stripped])

    def validate_name(self, field: StringField) -> None:
        """Refuse a name that is unfit or taken."""
        if problem := name_problem(field.data or ""):
            raise ValidationError(problem)
        if find(field.data or ""):
            raise ValidationError("There is a user of that name already.")


class ChosenPasswordForm(ConsoleForm):
    """The password that an invited user chooses."""

    password = PasswordField("Password", [InputRequired("Choose a password.")])

    def __init__(self, *typed: object, user_name: str) -> None:
        self._user_name = user_name
        super().__init__(*typed)

    def validate_password(self, field: PasswordField) -> None:
        """Refuse a password that is unfit for this user."""
        if hidden := hidden_in(field.data or ""):
            raise ValidationError(f"The password holds {hidden}, which cannot be seen. Type it again.")
        if problem := password_problem(field.data or "", self._user_name):
            raise ValidationError(problem)


class RoleForm(ConsoleForm):
    """The switches of the roles that may have less than everything shown."""

    viewer = BooleanField("Viewer")
    operator = BooleanField("Operator")
