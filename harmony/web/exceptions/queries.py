"""The exceptions in force: of apps, page by page, and the risks that the policy overrides."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import App, AppException, PolicyRecord, Risk, RiskOverride
from harmony.protection.catalogue import factor_of
from harmony.web.shared.paging import Order, Query

NEWEST_FIRST = Order(AppException.id)


@dataclass(frozen=True, slots=True)
class OverrideLine:
    """A threat factor whose risk the policy overrides; `grounds` None for one saved before they were kept."""

    code: str
    name: str
    default: Risk
    risk: Risk
    grounds: RiskOverride | None


def app_exceptions() -> Query:
    """Return the exceptions of apps, with the page of the newest version of each app."""
    newest = (
        select(func.max(App.id))
        .where(App.platform == AppException.platform, App.identifier == AppException.identifier)
        .correlate(AppException)
        .scalar_subquery()
    )
    query: Query = select(
        AppException.id, AppException.platform, AppException.identifier, AppException.action,
        AppException.reason, AppException.by, AppException.at, AppException.ends_on,
        App.id.label("app_id"), App.name,
    ).outerjoin(App, App.id == newest)  # fmt: skip
    return query


def app_exception(exception_id: int) -> AppException | None:
    """Return an exception that is still in force."""
    return db.session.get(AppException, exception_id)


def overrides(record: PolicyRecord) -> list[OverrideLine]:
    """Return the risks that differ from the catalogue's, by name."""
    lines = [
        OverrideLine(code, factor_of(code).name, factor_of(code).risk, Risk(risk), record.overrides.get(code))
        for code, risk in record.risks.items()
    ]
    return sorted(lines, key=lambda line: line.name)


def override(record: PolicyRecord, code: str) -> OverrideLine | None:
    """Return one of them; None if the policy does not override the risk."""
    return next((line for line in overrides(record) if line.code == code), None)
