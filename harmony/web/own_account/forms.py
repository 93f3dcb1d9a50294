"""The forms of one's own account."""

from __future__ import annotations

from wtforms import Form, PasswordField
from wtforms.validators import InputRequired, ValidationError

from harmony.security.passwords import password_problem
from harmony.web.shared.pasted import hidden_in


class ConfirmForm(Form):
    """The password once more."""

    password = PasswordField("Password", [InputRequired("Enter your password.")])


class ChangePasswordForm(Form):
    """The password of today and a new one."""

    current = PasswordField("Current password", [InputRequired("Enter your current password.")])
    new = PasswordField("New password", [InputRequired("Choose a new password.")])

    def __init__(self, *typed: object, user_name: str) -> None:
        self._user_name = user_name
        super().__init__(*typed)

    def validate_new(self, field: PasswordField) -> None:
        """Refuse a password that is unfit for this user."""
        if hidden := hidden_in(field.data or ""):
            raise ValidationError(f"The password holds {hidden}, which cannot be seen. Type it again.")
        if problem := password_problem(field.data or "", self._user_name):
            raise ValidationError(problem)
