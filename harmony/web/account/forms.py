"""The forms of the door: signing in, its factors, and creating the first administrator."""

from __future__ import annotations

from wtforms import Form, PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from harmony.security.passwords import password_problem
from harmony.security.users import name_problem
from harmony.web.shared.pasted import hidden_in, stripped


class SignInForm(Form):
    """Says only that something is missing; whether it is right is the view's to find out."""

    name = StringField("User name", [InputRequired("Enter your user name.")], filters=[stripped])
    password = PasswordField("Password", [InputRequired("Enter your password.")])


class OneTimeCodeForm(Form):
    """A code of an authenticator app."""

    one_time_code = StringField("Code", [InputRequired("Enter the code of your app.")], filters=[stripped])


class RecoveryCodeForm(Form):
    """A recovery code."""

    recovery_code = StringField(
        "Recovery code", [InputRequired("Enter a recovery code.")], filters=[stripped]
    )


class PasskeyForm(Form):
    """The name of a passkey, by which its owner tells it from others."""

    name = StringField("Name", [DataRequired("Give the passkey a name."), Length(max=64)], filters=[stripped])


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
