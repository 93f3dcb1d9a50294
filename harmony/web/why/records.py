"""PURE: the explanation of a device's state: the links of the chain, as its page and its JSON show them."""

from __future__ import annotations

from datetime import datetime

import msgspec


class ChainLink(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain: its conclusion, and in `unknown` what is not known (any more), in words."""

    conclusion: str
    unknown: tuple[str, ...] = ()


class ExplainedApp(msgspec.Struct, frozen=True, kw_only=True):
    """A registered Protect app and its last check-in; `unread` is what could not be read of it."""

    profile: str
    registered_at: datetime
    last_check_in_at: datetime
    client_version: str
    os_version: str
    unread: str = ""


class CheckInLink(ChainLink, frozen=True, kw_only=True):
    """The last check-in of each Protect app."""

    apps: tuple[ExplainedApp, ...] = ()


class ExplainedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """An open finding; `rule` (protection.risk.RatingRule) gives its risk, `reason` says so in words.

    `opened_under` is the version of the policy that was in force then. `pending`: another risk is still
    stored.
    """

    code: str
    name: str
    vector: str
    subject: str
    profile: str
    risk: int
    severity: str
    opened_at: datetime
    opened_under: int
    rule: str
    reason: str
    pending: str = ""


class FindingLink(ChainLink, frozen=True, kw_only=True):
    """The open findings, the highest risk first; `more` are not listed."""

    findings: tuple[ExplainedFinding, ...] = ()
    more: int = 0


class PolicyLink(ChainLink, frozen=True, kw_only=True):
    """The version of the policy in force; 0 are the defaults, which nobody saved."""

    version: int
    saved_at: datetime | None = None
    saved_by: str = ""


class RiskLink(ChainLink, frozen=True, kw_only=True):
    """The risk; None is not assessed."""

    risk: int | None


class StatusLink(ChainLink, frozen=True, kw_only=True):
    """The status, by which rule (protection.evaluate.StatusRule), and since when."""

    status: str
    rule: str
    since: datetime | None = None


class ExplainedTag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag on the device: why it is wanted, what the last call came to, when the UEM showed it.

    `attempts` counts the calls in a row that came to nothing, or whose end is not known.
    """

    key: str
    name: str
    wanted: bool
    because: str
    call: str
    state: str
    read_back: str
    attempts: int = 0
    changed_at: datetime | None = None
    next_try_at: datetime | None = None
    read_back_at: datetime | None = None


class TaggingLink(ChainLink, frozen=True, kw_only=True):
    """The tags, and the pushes that put them on and take them off."""

    tags: tuple[ExplainedTag, ...] = ()
    last_push_at: datetime | None = None
    next_push_at: datetime | None = None


class MissedBy(msgspec.Struct, frozen=True, kw_only=True):
    """A complete device sync that did not list the device, and what the guard said of deletions."""

    run_id: int
    finished_at: datetime | None
    state: str
    guard: str


class AbsenceLink(ChainLink, frozen=True, kw_only=True):
    """Why a device is missing, deleted or not listed, and when it goes; `setting` says which one decides.

    `expected_at` is when it is deleted if every sync is on time and nothing holds it.
    """

    state: str
    since: datetime | None
    doubt: str = ""
    misses: int = 0
    missed_by: tuple[MissedBy, ...] = ()
    more: int = 0
    hold_id: int | None = None
    hold_reasons: tuple[str, ...] = ()
    setting: str = ""
    expected_at: datetime | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole chain of a device at one time."""

    device_id: int
    name: str
    integration_id: int
    integration: str
    at: datetime
    check_ins: CheckInLink
    findings: FindingLink
    policy: PolicyLink
    risk: RiskLink
    status: StatusLink
    tags: TaggingLink
    absence: AbsenceLink | None = None
