"""The numbers of the overview: the live devices of all integrations, each number with its rows behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import url_for

from harmony.models import DeviceStatus, Risk
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


@dataclass(frozen=True, slots=True)
class Numbers:
    """The devices by coverage, those that are assessed by risk, and all by platform.

    `integrations` are all devices by integration, where they were counted with the others.
    """

    coverage: list[Bar]
    risks: list[Bar]
    platforms: list[Bar]
    integrations: Mapping[int, int] | None


def numbers() -> Numbers:
    """Count the devices within the scope of whoever asks."""
    limited = in_scope()
    found = counts.live_devices(limited)
    return Numbers(
        [_coverage(status, found.statuses[status]) for status in _PROTECTION],
        [_risk(risk, found.risks[risk]) for risk in _TONES],
        list(_platforms(found.platforms)),
        None if limited else found.integrations,
    )


def _platforms(found: Counter[str]) -> Iterator[Bar]:
    """Yield the platforms as their list is narrowed by them; others only where there are any."""
    by_name = {key: sum(found[word] for word in set(words)) for key, words in SPELLINGS.items()}
    others = found.total() - sum(by_name.values())
    for key, count in (by_name | ({OTHER: others} if others else {})).items():
        yield Bar(PLATFORMS[key], count, url_for("devices.index", platform=key))


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
