"""What people paste into forms (rung R): what hides around a value is cut, inside of a secret it is named."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from inspect import signature

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form, HiddenField, PasswordField, StringField
from wtforms.fields.core import Field

import harmony.web
from harmony.web.account.forms import SetupForm
from harmony.web.shared import pasted
from harmony.web.shared.fields import Secret
from harmony.web.shared.pasted import hidden_in, stripped, trimmed
from harmony.web.wizard.forms import ServerForm

AROUND = [
    "\r\n",
    "\t",
    "\u00a0",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u2066",
    "\u3000",
    "\u3164",
]
# As what it is told, inside of a secret.
NAMED = {
    "\n": "a line end (U+000A)",
    "\t": "a tab (U+0009)",
    "\x07": "a character that cannot be seen (U+0007)",
    "\u00a0": "a no-break space (U+00A0)",
    "\u00ad": "a soft hyphen (U+00AD)",
    "\u200b": "a zero width space (U+200B)",
    "\u200d": "a zero width joiner (U+200D)",
    "\u2060": "a word joiner (U+2060)",
    "\ufeff": "a zero width no-break space (U+FEFF)",
    "\u202e": "a right-to-left override (U+202E)",
    "\u2067": "a right-to-left isolate (U+2067)",
    "\u3164": "a hangul filler (U+3164)",
    "\U000e0041": "a tag latin capital letter a (U+E0041)",
}
SECRETS = ("client_secret", "password", "api_key")


def all_forms() -> Iterator[type[Form]]:
    """Every form of every page."""
    for module in pkgutil.walk_packages(harmony.web.__path__, "harmony.web."):
        importlib.import_module(module.name)
    waiting = [*Form.__subclasses__()]
    while waiting:
        form = waiting.pop()
        waiting += form.__subclasses__()
        if form.__module__.startswith("harmony."):
            yield form


def filled_form(form: type[Form], typed: MultiDict[str, str] | None = None) -> Form:
    """Return the form, told what it has to know: a password is compared with the user's name."""
    needs_name = "user_name" in signature(form.__init__).parameters
    return form(typed, user_name="admin") if needs_name else form(typed)


def lines_of_text(form: Form) -> list[Field]:
    """The fields of one line that can be seen."""
    return [field for field in form if isinstance(field, StringField) and _is_seen(field)]


def _is_seen(field: Field) -> bool:
    return type(field) is StringField and not isinstance(field, HiddenField | PasswordField)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("form", sorted(all_forms(), key=str), ids=lambda form: form.__name__)
def test_every_line_of_text_of_every_form_is_cleaned(form: type[Form]) -> None:
    names = [field.name for field in lines_of_text(filled_form(form))]
    dirty = "\ufeff \u200bx\u00a0y\u2060z\u00ad\u202e \r\n"
    filled = filled_form(form, MultiDict([(name, dirty) for name in names]))
    assert {name: filled[name].data for name in names} == dict.fromkeys(names, "x yz")


@pytest.mark.usefixtures("context")
def test_there_are_forms_to_look_at() -> None:
    assert sum(len(lines_of_text(filled_form(form))) for form in all_forms()) > 15


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("around", AROUND)
def test_what_surrounds_a_secret_is_cut_and_spaces_inside_stay(name: str, around: str) -> None:
    form = ServerForm(MultiDict({name: f"{around} two words {around}"}))
    form.validate()
    assert form[name].data == "two words"
    assert not form[name].errors


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("character", NAMED)
def test_what_cannot_be_seen_inside_of_a_secret_is_named(name: str, character: str) -> None:
    form = ServerForm(MultiDict({name: f"canary{character}rest"}))
    assert not form.validate()
    (sentence,) = form[name].errors
    assert sentence == (
        f"This holds {NAMED[character]} after 6 characters, which cannot be seen. Copy it again, or type it."
    )


def test_letters_of_every_script_and_joined_emoji_are_left_alone() -> None:
    for text in (
        "Ünïcode ☃ é",
        "日本語",
        "\u0645\u06cc\u200c\u062e\u0648",
        "👩\u200d👩\u200d👧",
        "❤\ufe0f!",
        "a\u0301",
    ):
        assert stripped(f" {text}\u200b") == text
    assert hidden_in("pässwörd 日本語 ✓ a b") == ""
    assert trimmed(None) is None
    assert stripped(None) is None


def test_every_secret_of_the_server_page_is_such_a_field() -> None:
    form = ServerForm()
    passwords = [field for field in form if isinstance(field, PasswordField)]
    assert {field.name for field in passwords} == set(SECRETS)
    assert all(isinstance(field, Secret) for field in passwords)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(pasted) == (0, 3)


def test_a_new_password_that_nobody_could_type_again_is_refused() -> None:
    form = SetupForm(
        MultiDict({"code": "c", "name": "ada", "password": "eleven quiet\u200blanterns over Oslo"})
    )
    assert not form.validate()
    assert "a zero width space (U+200B)" in form.password.errors[0]
