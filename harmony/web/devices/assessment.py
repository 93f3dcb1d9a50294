"""Assessment: the risk of a device, or None while no Protect app looks at it, which is not "No Risk"."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, select

from harmony.models import Device, DeviceStatus, Protection, Risk
from harmony.web.devices.related_filters import are_few_to_sort
from harmony.web.shared.filters import Filter
from harmony.web.shared.index_hints import Led, indexed

NOT_ASSESSED = "not_assessed"
# Written into the statement: a bound value would hide from SQLite that the index of the risky fits.
_RISKS = {risk.name.lower(): literal(int(risk), literal_execute=True) for risk in Risk}
_NO_RISK = _RISKS["none"]


@dataclass(frozen=True, slots=True)
class RiskFilter(Filter):
    """A risk by its name, or `not_assessed`; No Risk are only devices that are assessed."""

    def choices(self) -> Collection[str]:
        return (*_RISKS, NOT_ASSESSED)

    def read(self, text: str) -> str | None:
        return text if text in {*_RISKS, NOT_ASSESSED} else None

    def word(self, value: str) -> str:
        return "No Risk" if value == "none" else super(RiskFilter, self).word(value)

    def condition(self, value: str, led: Led) -> ColumnElement[bool]:
        risk, status = led(Device.risk), led(Device.status)
        if value == NOT_ASSESSED:
            return _is_unassessed(status, risk)
        # That it is above zero is said as well: SQLite does not conclude that the index of the risky fits.
        return and_(risk == _RISKS[value], status.is_not(None) if value == "none" else risk > _NO_RISK)

    def is_few(self, value: str) -> bool:
        """Answer for what an index finds; No Risk has none, and is what most devices have."""
        found = select(Device.id).where(self.condition(value, indexed))
        return value != "none" and are_few_to_sort(found)


def _is_unassessed(status: Any, risk: Any) -> ColumnElement[bool]:
    """Return the condition; a risk that a Protect app left behind is shown although it is gone."""
    return and_(status.is_(None), risk == _NO_RISK)


RISK: Any = case((_is_unassessed(Device.status, Device.risk), None), else_=Device.risk).label("risk")


def named_risk(name: str) -> Risk | None:
    """Return the risk of a name in an address; None for `not_assessed`."""
    return None if name == NOT_ASSESSED else Risk[name.upper()]


def assessed_risk(protection: Protection | None) -> Risk | None:
    """Return the risk of a device as it is shown: None while it is not assessed."""
    if protection is None or (protection.status == DeviceStatus.PROVISIONED and not protection.risk):
        return None
    return Risk(protection.risk)


def risk_label(risk: int | None) -> str:
    """Return the words for a risk.

    >>> risk_label(None), risk_label(0), risk_label(3)
    ('Not assessed', 'No Risk', 'High')
    """
    return "Not assessed" if risk is None else Risk(risk).label
