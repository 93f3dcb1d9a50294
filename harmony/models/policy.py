"""The policy: what each finding means for the risk of a device, and when a device counts as silent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class RiskOverride(msgspec.Struct, frozen=True, kw_only=True):
    """The grounds of a changed risk; `ends_on` is the last day, in UTC, on which it counts."""

    owner: str
    at: datetime
    reason: str
    ends_on: date | None = None


class PolicyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a version of the policy, stored as JSON in `Policy.values`.

    `risks` maps the code of a threat factor to a `Risk` where it differs from the catalogue's. Days are whole
    days without contact. `overrides` has the grounds of `risks`, by code, of all that were saved with them.
    `minimum_os` and `minimum_client` map ios and android to a version, "" for none.
    `confirm_above` is a share of the devices in percent: saving a policy that changes more of them needs a
    confirmation.
    """

    risks: dict[str, int] = {}
    overrides: dict[str, RiskOverride] = {}
    inactive_days: int = 7
    silent_days: int = 3
    silent_risk: int = 0
    confirm_above: int = 5
    minimum_os: dict[str, str] = {}
    minimum_client: dict[str, str] = {}


class Policy(Base):
    """One version of the policy; the newest is in force, whatever was in force before is kept.

    `rated_up_to` is how far the worker has come with rating every device anew: the largest device id that is
    done; `rated_at` is set at the end. `to_rate` is how many devices there were at its start.
    """

    __tablename__ = "policy"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(64))
    to_rate: Mapped[int] = mapped_column(default=0)
    rated: Mapped[int] = mapped_column(default=0)
    rated_up_to: Mapped[int] = mapped_column(default=0)
    rated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
