"""PURE: the open findings of a device, and the rule of the policy or of an app exception that rates each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from harmony.models.states import Action, Risk
from harmony.protection.catalogue import factor_of
from harmony.protection.change import OpenFinding
from harmony.protection.evaluate import reason, system_of
from harmony.protection.risk import RatingRule, severity
from harmony.web.why.given import DEFAULTS, AppRuling, ProtectionGiven, SavedVersion
from harmony.web.why.records import ExplainedFinding, FindingLink

_FINDINGS_SHOWN = 50


def finding_link(given: ProtectionGiven) -> FindingLink:
    """Explain each open finding and its risk."""
    explained = sorted(_findings(given), key=lambda finding: (-finding.risk, finding.opened_at))
    number = len(explained)
    if number:
        conclusion = f"{number:,} {'finding is' if number == 1 else 'findings are'} open."
    else:
        conclusion = (
            "Nothing is open." if given.apps else "Nothing is open: no Protect app looks at the device."
        )
    shown = tuple(explained[:_FINDINGS_SHOWN])
    return FindingLink(conclusion=conclusion, findings=shown, more=number - len(shown))


def _findings(given: ProtectionGiven) -> Iterator[ExplainedFinding]:
    system = system_of(given.facts) if given.facts else ""
    for finding in given.findings:
        factor, rating = factor_of(finding.code), given.rules.rating(system, finding.code, finding.subject)
        pending = ""
        if rating.risk != finding.risk:
            pending = f"Becomes {rating.risk.label}: the worker has not rated it anew yet."
        opened_at = given.opened_at[finding.id]
        yield ExplainedFinding(
            code=finding.code,
            name=factor.name,
            vector=factor.vector.value,
            subject=finding.subject or _about(finding, given),
            profile=finding.profile,
            severity=severity(Risk(finding.risk)),
            risk=finding.risk,
            opened_at=opened_at,
            opened_under=_version_at(opened_at, given.versions),
            rule=rating.rule,
            reason=_why_rated(finding, rating.rule, rating.risk, given),
            pending=pending,
        )


def _about(finding: OpenFinding, given: ProtectionGiven) -> str:
    """Say what a conclusion of the dashboard itself is about, such as the version that is too old."""
    if finding.profile or given.facts is None:
        return ""
    return reason(finding.code, given.facts, given.rules.policy)


def _why_rated(finding: OpenFinding, rule: RatingRule, risk: Risk, given: ProtectionGiven) -> str:
    factor = factor_of(finding.code)
    policy = f"{given.policy[0].upper()}{given.policy[1:]}"
    ruling = given.rulings.get(finding.subject)
    if rule is RatingRule.EXCEPTION and ruling:
        return f"{risk.label}: {_ruled(ruling)} An app exception comes before the policy."
    if rule is RatingRule.FIXED and ruling and ruling.action is Action.BLOCK:
        return f"Always High: {_ruled(ruling)}"
    return {
        RatingRule.FIXED: f"Always {risk.label}: no policy and no app exception changes it.",
        RatingRule.SILENT: f"{policy} sets the risk of a silent device to {risk.label}.",
        RatingRule.EXCEPTION: f"An app exception makes it {risk.label}.",
        RatingRule.POLICY: f"{policy} sets {factor.name} to {risk.label}; "
        f"the default is {factor.risk.label}.{_changed_by(finding.code, given)}",
        RatingRule.CATALOGUE: f"{policy} leaves {factor.name} at its default, {risk.label}.",
        RatingRule.UNKNOWN: f"{policy} says nothing of it, and it is not in the catalogue: {risk.label}.",
    }[rule]


def _ruled(ruling: AppRuling) -> str:
    what = "blocked the app" if ruling.action is Action.BLOCK else "made an app exception"
    late = "" if ruling.applied else " It has not reached every device yet."
    return f"{ruling.by} {what} {_grounds(ruling.at, ruling.reason, ruling.ends_on)}{late}"


def _changed_by(code: str, given: ProtectionGiven) -> str:
    """Say who changed the risk of a threat factor and why; "" if nothing is kept of it."""
    said = given.rules.policy.overrides.get(code)
    return f" {said.owner} changed it {_grounds(said.at, said.reason, said.ends_on)}" if said else ""


def _grounds(at: datetime, reason: str, ends_on: date | None) -> str:
    why = f", “{reason}”" if reason else ""
    until = f", until {ends_on:%Y-%m-%d}" if ends_on else ""
    return f"on {at:%Y-%m-%d %H:%M} UTC{why}{until}."


def _version_at(at: datetime, versions: Sequence[SavedVersion]) -> int:
    return next((saved.version for saved in versions if saved.at <= at), DEFAULTS)
