"""The forms of the door: signing in, and creating the first administrator."""

from __future__ import annotations

from wtforms import Form, PasswordField, StringField
from wtforms.validators import InputRequired, ValidationError

from harmony.security.passwords import password_problem
from harmony.security.users import name_problem
from harmony.web.shared.pasted import hidden_in, stripped


class SignInForm(Form):
    """Says only that something is missing; whether it is right is the view's to find out."""

    name = StringField("User name", [InputRequired("Enter your user name.")], filters=[stripped])
    password = PasswordField("Password", [InputRequired("Enter your password.")])


class SetupForm(Form):
    """The set-up code and the account it buys, held to the same rules as on the command line."""

    code = StringField("Set-up code", [InputRequired("Enter the set-up code.")], filters=[stripped])
    name = StringField("User name", [InputRequired("Choose a user name.")], filters=[stripped])
    password = PasswordField("Password", [InputRequired("Choose a password.")])

    def validate_name(self, field: StringField) -> None:
        if problem := name_problem(field.data or ""):
            raise ValidationError(problem)

    def validate_password(self, field: PasswordField) -> None:
        if hidden := hidden_in(field.data or ""):
            raise ValidationError(f"The password holds {hidden}, which cannot be seen. Type it again.")
        if problem := password_problem(field.data or "", self.name.data or ""):
            raise ValidationError(problem)
