"""Takes a record through the form of its wizard page, so that a file obeys the rules of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.models.configuration import DEPLOYMENT, TAGGING, Deployment, Tagging
from harmony.ops.configuration_file.problems import FileProblem
from harmony.ops.configuration_file.secrets import Supplied
from harmony.security.credentials import SECRET_FIELDS
from harmony.setup.wizard_state import WizardState
from harmony.tagging.names import FACTOR, name_of
from harmony.web.app_configuration.forms import AppConfigurationForm, filled
from harmony.web.wizard.steps import STEPS
from harmony.web.wizard.tagging_form import NAMES

# The fields of the forms that are called otherwise in the file.
_KEYS = {
    "token_region": "token_address",
    "token_other": "token_address",
    "certificate_file": "certificate",
    "android_enterprise": "groups",
    **{field: f"names.{key}" for key, field in NAMES.items()},
}
_SPELLING = "the name of this tag follows the prefix; only its capital letters may differ."
_NOT_IN_USE = "no tag of this integration is called so."


def checked(
    state: WizardState, page: str, target: msgspec.Struct, secrets: Mapping[str, Supplied], path: str
) -> tuple[Any, list[FileProblem]]:
    """Return the record as the page would keep it, and what the page complains of.

    `secrets` are those the file supplies; one that is not supplied stays as it is stored for the same server.
    """
    step, aimed = STEPS[page], WizardState(state.integration)
    aimed.draft = msgspec.structs.replace(state.draft, **{page: target})
    form = step.form(_sent(step.form(data=step.fill(target)), secrets))
    form.validate()
    record = step.read(form, aimed)
    problems = _complaints(form, page, secrets, path)
    if isinstance(target, Deployment):
        problems += _of_app(target, path)
    if isinstance(record, Tagging):
        problems += _lost(target, record, path)
    return record, problems


def _sent(form: Form, secrets: Mapping[str, Supplied]) -> MultiDict[str, str]:
    """Return what a browser would send for a filled form, with the secrets typed."""
    values: MultiDict[str, str] = MultiDict()
    for name, value in form.data.items():
        if isinstance(value, (list, tuple)):
            values.setlist(name, list(value))
        elif value is True:
            values[name] = "y"
        elif value is not None and value is not False:
            values[name] = str(value)
    values.setlist("offered", values.getlist("adopted"))
    for name, secret in secrets.items():
        values[name] = secret.clear
    return values


def _complaints(form: Form, page: str, secrets: Mapping[str, Supplied], path: str) -> list[FileProblem]:
    problems = []
    for name, sentences in form.errors.items():
        place = "display_name" if name == "display_name" else f"{page}.{_KEYS.get(name, name)}"
        source = secrets.get(name or "")
        advice = f" {source.source}" if source and not source.clear else ""
        missing = _NOT_NAMED if name in SECRET_FIELDS and source is None else ""
        problems += [FileProblem(f"{path}.{place}", f"{said}{advice}{missing}") for said in sentences]
    return problems


def _of_app(target: Deployment, path: str) -> list[FileProblem]:
    """Return what the page of the app configuration complains of."""
    form = AppConfigurationForm(MultiDict(filled(target)))
    form.validate()
    keys = {key: f"app_keys.{key}" for key in form.data if not key.startswith("app_")}
    return [
        FileProblem(f"{path}.{DEPLOYMENT}.{keys.get(name, name)}", sentence)
        for name, sentences in form.errors.items()
        for sentence in sentences
    ]


_NOT_NAMED = " Name in the file where it comes from."


def _lost(target: Any, record: Tagging, path: str) -> list[FileProblem]:
    """Return what the Tagging page cannot keep: it would drop it without a word."""
    usual = Tagging(prefix=record.prefix)
    names = [
        FileProblem(f"{path}.{TAGGING}.names.{key}", _SPELLING)
        for key, name in target.names.items()
        if key.startswith(FACTOR) and key not in record.names and name != name_of(key, usual)
    ]
    unknown = [key for key in target.names if not key.startswith(FACTOR) and key not in NAMES]
    names += [FileProblem(f"{path}.{TAGGING}.names.{key}", "there is no such tag.") for key in unknown]
    adopted = [
        FileProblem(f"{path}.{TAGGING}.adopted", f"{name}: {_NOT_IN_USE}")
        for name in target.adopted
        if name not in record.adopted
    ]
    return names + adopted
