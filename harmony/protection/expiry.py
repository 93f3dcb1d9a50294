"""PURE: until when app exceptions and risk overrides count, and when their end is near."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from harmony.models.policy import PolicyRecord, RiskOverride

REMINDER_DAYS = 7


def counts(ends_on: date | None, now: datetime) -> bool:
    """Return True until the end of the last day, which is a day in UTC.

    >>> counts(date(2026, 12, 1), datetime(2026, 12, 1, 23, 59, tzinfo=UTC)), counts(None, datetime.max)
    (True, True)
    >>> counts(date(2026, 12, 1), datetime(2026, 12, 2, tzinfo=UTC))
    False
    """
    return ends_on is None or today(now) <= ends_on


def ends_soon(ends_on: date | None, now: datetime) -> bool:
    """Return True in the last days of what still counts.

    >>> [ends_soon(date(2026, 12, 8), datetime(2026, 12, day, tzinfo=UTC)) for day in (1, 2, 8, 9)]
    [False, True, True, False]
    """
    return ends_on is not None and counts(ends_on, now) and ends_on - today(now) < timedelta(REMINDER_DAYS)


def ended(record: PolicyRecord, now: datetime) -> list[str]:
    """Return the codes of the risk overrides that no longer count."""
    return [code for code, override in record.overrides.items() if not counts(override.ends_on, now)]


def without(record: PolicyRecord, codes: list[str]) -> PolicyRecord:
    """Return the policy with the catalogue's risk for these threat factors."""
    if not codes:
        return record
    risks = {code: risk for code, risk in record.risks.items() if code not in codes}
    overrides = {code: line for code, line in record.overrides.items() if code not in codes}
    return msgspec.structs.replace(record, risks=risks, overrides=overrides)


def with_grounds(record: PolicyRecord, before: PolicyRecord, override: RiskOverride) -> PolicyRecord:
    """Return the policy with `override` as the grounds of each risk that is new or differs from before."""
    same = {code for code, risk in record.risks.items() if before.risks.get(code) == risk}
    kept = {code: line for code, line in before.overrides.items() if code in same}
    new = dict.fromkeys(sorted(record.risks.keys() - same), override)
    return msgspec.structs.replace(record, overrides=kept | new)


def today(now: datetime) -> date:
    """Return the day in UTC."""
    return now.astimezone(UTC).date()
