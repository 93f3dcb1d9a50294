"""The policy of a configuration file: compared with the one in force, and saved, by the form of its page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from werkzeug.datastructures import MultiDict

from harmony.audit import COMMAND_LINE
from harmony.db import db
from harmony.jobs.queue import RATE, enqueue
from harmony.models import PolicyRecord, Risk
from harmony.ops.configuration_file.problems import FileProblem, FileRefused, Lines
from harmony.ops.configuration_file.schema import FilePolicy
from harmony.protection import policy
from harmony.protection.policy_differences import differences, normal
from harmony.web.policy import forms

_RISKS = {risk.label: int(risk) for risk in Risk}
_ONE_OF = f"a risk is one of {', '.join(_RISKS)}."
_NOT_SET = "the policy does not set the risk of this threat factor."
_PATHS = {
    "os_ios": "minimum_os.ios",
    "os_android": "minimum_os.android",
    "client_ios": "minimum_client.ios",
    "client_android": "minimum_client.android",
}


def changes(said: FilePolicy, lines: Lines) -> list[str]:
    """Return what the file would change, in the words of the page. Raises FileRefused."""
    _version, before = policy.in_force(db.session())
    found = differences(before, _checked(said, before, lines))
    return [f"{change.label}: {change.before} → {change.after}" for change in found]


def save(said: FilePolicy, lines: Lines, now: datetime) -> None:
    """Put a new version in force, and have every device rated anew. Raises FileRefused."""
    version, before = policy.in_force(db.session())
    record = _checked(said, before, lines)
    try:
        saved = policy.save(record, version, COMMAND_LINE, now, policy.Grounds("Configuration file"))
    except policy.SavedMeanwhile:
        meanwhile = FileProblem("policy", "somebody else saved it meanwhile; run plan again.")
        raise FileRefused([meanwhile]) from None
    if saved != version:
        enqueue(RATE)


def _checked(said: FilePolicy, before: PolicyRecord, lines: Lines) -> PolicyRecord:
    problems = list(_wrong_risks(said))
    if problems:
        raise FileRefused(problems, lines)
    filled = forms.filled(_target(said, before))
    form = forms.sent(
        MultiDict({name: str(value) for name, value in filled.data.items() if value is not None})
    )
    if not form.validate():
        raise FileRefused(_complaints(form), lines)
    return normal(forms.record_of(form))


def _wrong_risks(said: FilePolicy) -> Iterator[FileProblem]:
    for code, risk in (said.risks or {}).items():
        if risk not in _RISKS:
            yield FileProblem(f"policy.risks.{code}", _ONE_OF)
        elif not forms.is_settable(code):
            yield FileProblem(f"policy.risks.{code}", _NOT_SET)
    if said.silent_risk is not UNSET and said.silent_risk not in _RISKS:
        yield FileProblem("policy.silent_risk", _ONE_OF)


def _target(said: FilePolicy, before: PolicyRecord) -> PolicyRecord:
    """Return the policy in force with what the file says."""
    values: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(said).items() if value is not UNSET
    }
    if "risks" in values:
        values["risks"] = {code: _RISKS[risk] for code, risk in values["risks"].items()}
    if "silent_risk" in values:
        values["silent_risk"] = _RISKS[values["silent_risk"]]
    return msgspec.structs.replace(before, **values)


def _complaints(form: forms.PlainForm) -> list[FileProblem]:
    return [
        FileProblem(f"policy.{_PATHS.get(str(name), str(name).replace('risk_', 'risks.'))}", sentence)
        for name, sentences in form.errors.items()
        for sentence in sentences
    ]
