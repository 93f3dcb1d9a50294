"""The form of the policy: a field for all it says, and the risk of each threat factor by attack vector."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from harmony.models import PolicyRecord, Risk
from harmony.protection.catalogue import ANDROID, CATALOGUE, IOS, Factor, Vector, factor_of, is_code
from harmony.protection.policy_differences import (
    CONFIRM_ABOVE,
    INACTIVE_DAYS,
    MINIMUM_CLIENT,
    MINIMUM_OS,
    SILENT,
    SILENT_DAYS,
    SILENT_RISK,
    SYSTEMS,
    normal,
    risk_of,
)
from harmony.web.exceptions.forms import SAY_WHY, last_day
from harmony.web.shared.fields import WholeNumber
from harmony.web.shared.pasted import stripped

_RISKS = [SelectChoice(str(int(risk)), risk.label) for risk in Risk]
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,4}")
_RISK_OF = "risk_"
NOT_IN_CATALOGUE = "Not in the catalogue"
# Why the policy does not change the risk of these.
_FIXED = {
    "MALICIOUS_APP": "An app known to do harm is always High.",
    "BLOCKED_APP": "An administrator blocked the app; lift the block on the page of the app.",
}


@dataclass(frozen=True, slots=True)
class FactorLine:
    """One threat factor on the page; `field` is None when its risk is fixed, `why` then says so."""

    factor: Factor
    field: Field | None
    why: str = ""


def _is_version(_form: Form, field: StringField) -> None:
    if field.data and not _VERSION.fullmatch(field.data):
        raise ValidationError("Enter a version such as 17 or 17.5.1, or leave it empty.")


def _risk_field(label: str, default: Risk) -> SelectField:
    return SelectField(label, choices=_RISKS, default=str(int(default)))


def _version(label: str) -> StringField:
    return StringField(label, [Length(max=64), _is_version], filters=[stripped])


class PlainForm(Form):
    """All of a policy but the risks of threat factors; labels as in the history of versions."""

    inactive_days = WholeNumber(INACTIVE_DAYS, 1, 90, unit=" days")
    silent_days = WholeNumber(SILENT_DAYS, 0, 89, unit=" days")
    silent_risk = _risk_field(SILENT_RISK, Risk.NONE)
    os_ios = _version(f"{MINIMUM_OS}, iOS")
    os_android = _version(f"{MINIMUM_OS}, Android")
    client_ios = _version(f"{MINIMUM_CLIENT}, iOS")
    client_android = _version(f"{MINIMUM_CLIENT}, Android")
    reason = StringField("Reason for changed risks", [Length(max=256)], filters=[stripped])
    ends_on = last_day()
    confirm_above = WholeNumber(CONFIRM_ABOVE, 0, 100, unit=" percent")

    def validate_silent_days(self, field: WholeNumber) -> None:
        most = self.inactive_days.data
        if field.data is not None and most is not None and field.data >= most:
            raise ValidationError(f"Enter fewer days than until Inactive ({most}), or 0 for never.")


class ConfirmationForm(Form):
    """The one more box to tick before a policy that changes many devices is saved."""

    confirmed = BooleanField("Change all these devices")


def _name_of(code: str) -> str:
    """Return the name of the field of a threat factor."""
    return _RISK_OF + code


def _is_set(factor: Factor) -> bool:
    """Return True if the risk of the factor has a field of its own."""
    return not factor.fixed and factor.code != SILENT


def is_settable(code: str) -> bool:
    """Tell if this is the code of a threat factor, known or not, whose risk the policy sets."""
    return is_code(code) and _is_set(factor_of(code))


def _form_with(codes: Iterable[str]) -> type[PlainForm]:
    """Make a form with a field for each threat factor of the catalogue and `codes` that a policy sets."""
    factors = [factor for factor in map(factor_of, dict.fromkeys((*CATALOGUE, *codes))) if _is_set(factor)]
    return type(
        "PolicyForm",
        (PlainForm,),
        {_name_of(factor.code): _risk_field(factor.name, factor.risk) for factor in factors},
    )


def filled(record: PolicyRecord, reported: Iterable[str] = ()) -> PlainForm:
    """Fill the form with what a policy says, also of codes that devices have reported."""
    codes = sorted({*record.risks, *reported})
    risks = {_name_of(code): str(int(risk_of(record, code))) for code in (*CATALOGUE, *codes)}
    return _form_with(codes)(
        data=risks
        | {
            "inactive_days": record.inactive_days,
            "silent_days": record.silent_days,
            "silent_risk": str(record.silent_risk),
            "os_ios": record.minimum_os.get(IOS, ""),
            "os_android": record.minimum_os.get(ANDROID, ""),
            "client_ios": record.minimum_client.get(IOS, ""),
            "client_android": record.minimum_client.get(ANDROID, ""),
            "confirm_above": record.confirm_above,
        }
    )


def sent(values: MultiDict[str, str]) -> PlainForm:
    """Fill the form with what was sent; what is no code of a threat factor is no field of it."""
    codes = (name.removeprefix(_RISK_OF) for name in values if name.startswith(_RISK_OF))
    return _form_with(sorted(code for code in codes if is_code(code)))(values)


def record_of(form: PlainForm) -> PolicyRecord:
    """Return what a valid form says."""
    said: Mapping[str, Any] = form.data
    return PolicyRecord(
        risks={factor.code: int(said[_name_of(factor.code)]) for factor in _factors(form)},
        inactive_days=said["inactive_days"],
        silent_days=said["silent_days"],
        silent_risk=int(said["silent_risk"]),
        minimum_os={system: said[f"os_{system}"] for system in SYSTEMS},
        minimum_client={system: said[f"client_{system}"] for system in SYSTEMS},
        confirm_above=said["confirm_above"],
    )


def is_right(form: PlainForm, before: PolicyRecord) -> bool:
    """Return True if it can be saved; what is wrong is said beside its field."""
    return form.validate() and not _lacks_reason(form, before)


def _lacks_reason(form: PlainForm, before: PolicyRecord) -> bool:
    """Tell, beside its field, that a risk is overridden anew and no reason is given."""
    after = normal(record_of(form)).risks
    lacks = not form.reason.data and any(before.risks.get(code) != risk for code, risk in after.items())
    if lacks:
        form.reason.errors = [SAY_WHY]
    return lacks


def values_of(form: PlainForm) -> dict[str, str]:
    """Return what a valid form says as it is sent."""
    return {name: "" if value is None else str(value) for name, value in form.data.items()}


def by_vector(form: PlainForm) -> Iterator[tuple[str, list[FactorLine]]]:
    """Yield the threat factors under their attack vectors, in the catalogue's order, then those not in it."""
    for vector in Vector:
        lines = [_line(form, factor) for factor in CATALOGUE.values() if factor.vector is vector]
        if lines:
            yield vector.value, lines
    if strangers := [_line(form, factor) for factor in _factors(form) if not factor.known]:
        yield NOT_IN_CATALOGUE, strangers


def _factors(form: PlainForm) -> list[Factor]:
    """Return the threat factors whose risk has a field of the form."""
    return [factor_of(field.name.removeprefix(_RISK_OF)) for field in form if field.name.startswith(_RISK_OF)]


def _line(form: PlainForm, factor: Factor) -> FactorLine:
    if factor.code == SILENT:
        return FactorLine(factor, None, "Its risk is set with the days.")
    if factor.fixed:
        return FactorLine(factor, None, _FIXED[factor.code])
    return FactorLine(factor, form[_name_of(factor.code)])
