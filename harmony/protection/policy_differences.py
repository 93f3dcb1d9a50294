"""PURE: what differs between two versions of the policy, in the words of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from harmony.models.policy import PolicyRecord
from harmony.models.states import Risk
from harmony.protection.catalogue import ANDROID, CATALOGUE, IOS, factor_of

SYSTEMS = {IOS: "iOS", ANDROID: "Android"}
SILENT = "DEVICE_SILENT"
# The labels of the fields that are not the risk of a threat factor.
INACTIVE_DAYS = "Days until Inactive"
SILENT_DAYS = "Days until silent"
SILENT_RISK = "Risk of a silent device"
MINIMUM_OS = "Minimum OS version"
MINIMUM_CLIENT = "Minimum client version"
CONFIRM_ABOVE = "Confirmation above"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, and what it said and says."""

    label: str
    before: str
    after: str


def normal(record: PolicyRecord) -> PolicyRecord:
    """Return the policy without what says nothing: a default, a fixed risk, an empty minimum."""
    risks = {code: int(risk) for code, risk in sorted(record.risks.items()) if _says_something(code, risk)}
    return PolicyRecord(
        risks=risks,
        inactive_days=record.inactive_days,
        silent_days=record.silent_days,
        silent_risk=int(record.silent_risk),
        confirm_above=record.confirm_above,
        minimum_os=_filled(record.minimum_os),
        minimum_client=_filled(record.minimum_client),
    )


def risk_of(record: PolicyRecord, code: str) -> Risk:
    """Return the risk that the policy gives a threat factor, app exceptions aside."""
    factor = factor_of(code)
    if factor.fixed:
        return factor.risk
    return Risk(record.silent_risk) if code == SILENT else Risk(record.risks.get(code, factor.risk))


def differences(before: PolicyRecord, after: PolicyRecord) -> list[Difference]:
    """Return every field that differs, in the order of the page.

    >>> differences(PolicyRecord(), PolicyRecord(risks={"ROOTED": 2}, inactive_days=9))[1]
    Difference(label='Rooted', before='High', after='Medium')
    """
    fields = (*_plain(before, after), *_risks(before, after), *_grounds(before, after))
    return [field for field in fields if field.before != field.after]


def _plain(before: PolicyRecord, after: PolicyRecord) -> Iterator[Difference]:
    yield Difference(INACTIVE_DAYS, str(before.inactive_days), str(after.inactive_days))
    yield Difference(SILENT_DAYS, str(before.silent_days or "never"), str(after.silent_days or "never"))
    silent = risk_of(before, SILENT), risk_of(after, SILENT)
    yield Difference(SILENT_RISK, silent[0].label, silent[1].label)
    for label, old, new in (
        (MINIMUM_OS, before.minimum_os, after.minimum_os),
        (MINIMUM_CLIENT, before.minimum_client, after.minimum_client),
    ):
        for system, name in SYSTEMS.items():
            yield Difference(f"{label}, {name}", old.get(system) or "none", new.get(system) or "none")
    yield Difference(CONFIRM_ABOVE, f"{before.confirm_above} %", f"{after.confirm_above} %")


def _risks(before: PolicyRecord, after: PolicyRecord) -> Iterator[Difference]:
    unknown = sorted({*before.risks, *after.risks} - set(CATALOGUE))
    for code in (*CATALOGUE, *unknown):
        if code != SILENT:
            old, new = risk_of(before, code), risk_of(after, code)
            yield Difference(factor_of(code).name, old.label, new.label)


def _grounds(before: PolicyRecord, after: PolicyRecord) -> Iterator[Difference]:
    """Yield reason and last day of the risks that stay as they are; those of a new risk come with it."""
    for code, new in after.overrides.items():
        old = before.overrides.get(code)
        if before.risks.get(code) == after.risks.get(code):
            name, reason, day = factor_of(code).name, old.reason if old else "", old.ends_on if old else None
            yield Difference(f"Reason, {name}", reason or "none", new.reason or "none")
            yield Difference(f"Last day, {name}", _day(day), _day(new.ends_on))


def _day(day: date | None) -> str:
    return f"{day:%d %b %Y}" if day else "none"


def _says_something(code: str, risk: int) -> bool:
    factor = factor_of(code)
    return not factor.fixed and code != SILENT and risk != factor.risk


def _filled(versions: Mapping[str, str]) -> dict[str, str]:
    return {system: versions[system] for system in SYSTEMS if versions.get(system)}
