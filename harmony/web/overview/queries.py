"""The numbers of the overview: the live devices of all integrations, each number with its rows behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from flask import url_for
from sqlalchemy import ColumnElement, func, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Risk
from harmony.protection.catalogue import factor_of
from harmony.web.devices import counts
from harmony.web.devices.assessment import NOT_ASSESSED, risk_label
from harmony.web.devices.related_filters import OTHER, PLATFORMS, SPELLINGS
from harmony.web.overview.chart import Bar
from harmony.web.shared.scope import in_scope

_FACTORS_SHOWN = 8
_PROTECTION = {
    DeviceStatus.ACTIVE: ("Protected", "ok"),
    DeviceStatus.INACTIVE: ("Not heard", "warning"),
    DeviceStatus.PROVISIONED: ("No Protect app", "neutral"),
}
_TONES = {Risk.HIGH: "danger", Risk.MEDIUM: "warning", Risk.LOW: "info", Risk.NONE: "ok"}


def standings() -> tuple[list[Bar], list[Bar]]:
    """Return the devices by coverage and those that are assessed by risk."""
    if limited := in_scope():
        return _bars(counts.statuses_of(limited), counts.risks_of(limited))
    return _bars(*counts.numbers(None))


def _bars(
    by_status: Mapping[DeviceStatus, int], by_risk: Mapping[Risk | None, int]
) -> tuple[list[Bar], list[Bar]]:
    coverage = [_coverage(status, by_status[status]) for status in _PROTECTION]
    return coverage, [_risk(risk, by_risk[risk]) for risk in _TONES]


def platforms() -> list[Bar]:
    """Return the devices by platform, as their list is narrowed by it; others only where there are any."""
    found = Counter(_by_platform())
    # Counted in the index of platforms, then less the devices that do not show, which are few.
    found.subtract(_by_platform(counts.unseen()))
    by_name = {key: sum(found[word] for word in set(words)) for key, words in SPELLINGS.items()}
    others = found.total() - sum(by_name.values())
    by_name |= {OTHER: others} if others else {}
    return [
        Bar(PLATFORMS[key], count, url_for("devices.index", platform=key)) for key, count in by_name.items()
    ]


def _by_platform(*conditions: ColumnElement[bool]) -> dict[str, int]:
    rows = select(Device.platform, func.count()).where(*conditions, *in_scope()).group_by(Device.platform)
    return {platform: count for platform, count in db.session.execute(rows)}


def top_factors() -> list[Bar]:
    """Return the threat factors that are open on most devices."""
    found = counts.open_factors()
    ranked = sorted((-count, code) for code, count in found.items() if count > 0)
    return [_factor(code, -count) for count, code in ranked[:_FACTORS_SHOWN]]


def _coverage(status: DeviceStatus, count: int) -> Bar:
    label, tone = _PROTECTION[status]
    return Bar(label, count, url_for("devices.index", status=status.value), tone)


def _risk(risk: Risk | None, count: int) -> Bar:
    name, tone = (NOT_ASSESSED, "neutral") if risk is None else (risk.name.lower(), _TONES[risk])
    return Bar(risk_label(risk), count, url_for("devices.index", risk=name), tone)


def _factor(code: str, count: int) -> Bar:
    factor = factor_of(code)
    return Bar(factor.name, count, url_for("devices.index", factor=code), _TONES[Risk(factor.risk)])
