"""PURE: from the last check-in to risk and status: which rule of which version of the policy made them so."""

from __future__ import annotations

from harmony.models.states import DeviceStatus, Risk
from harmony.protection.catalogue import factor_of
from harmony.protection.evaluate import StatusRule, evaluate, no_contact, status_under
from harmony.web.why.given import DEFAULTS, ProtectionGiven
from harmony.web.why.records import CheckInLink, PolicyLink, RiskLink, StatusLink


def check_in_link(given: ProtectionGiven) -> CheckInLink:
    """Explain when Protect was heard last."""
    if not given.apps and given.last_contact_at is None:
        known = "No Protect app is registered on this device, so that nothing checks in."
        return CheckInLink(conclusion=known)
    if not given.apps:
        return CheckInLink(conclusion="No Protect app is registered any more; nothing checks in.")
    many = "The Protect app" if len(given.apps) == 1 else f"Each of {len(given.apps)} Protect apps"
    unread = (
        "What could not be read of a report changes nothing." if any(a.unread for a in given.apps) else ""
    )
    return CheckInLink(
        apps=given.apps,
        conclusion=f"{many} has checked in; what it reported last is what counts. {unread}".strip(),
        unknown=("Earlier check-ins are not kept one by one; their changes are in the events.",),
    )


def policy_link(given: ProtectionGiven) -> PolicyLink:
    """Explain which version of the policy counts for the device."""
    if not given.versions:
        return PolicyLink(version=DEFAULTS, conclusion="The default policy is in force: nobody changed it.")
    newest = given.versions[0]
    if given.facts is None:
        reached = "It rates the device as soon as Protect registers."
    elif given.reached:
        reached = "It has rated this device."
    else:
        reached = "It has not rated this device yet; the worker is on its way."
    return PolicyLink(
        version=newest.version,
        saved_at=newest.at,
        saved_by=newest.by,
        conclusion=f"Version {newest.version} is in force. {reached}",
    )


def risk_link(given: ProtectionGiven) -> RiskLink:
    """Explain the risk: that of the riskiest open finding."""
    if given.risk is None:
        return RiskLink(risk=None, conclusion="Not assessed: no Protect app looks at this device.")
    deciding = sorted({factor_of(f.code).name for f in given.findings if f.risk == given.risk})
    if not given.findings:
        why = "nothing is open on the device."
    elif len(given.findings) == 1:
        why = f"its only open finding is {deciding[0]}." if deciding else "its only finding was rated anew."
    else:
        why = f"the highest risk of its open findings is that of {', '.join(deciding)}."
    pending = _pending_risk(given)
    return RiskLink(risk=given.risk, conclusion=f"{given.risk.label}: {why} {pending}".strip())


def status_link(given: ProtectionGiven) -> StatusLink:
    """Explain the status: by the last contact and the days that the policy allows."""
    if given.facts is None:
        never = "Provisioned: no Protect app has ever registered on this device."
        return StatusLink(
            status=DeviceStatus.PROVISIONED, rule=StatusRule.NO_APP, conclusion=never, since=given.since
        )
    status, rule = status_under(given.facts)
    word = DeviceStatus(given.facts.status).value.title()
    days = given.rules.policy.inactive_days
    sentence = {
        StatusRule.NO_APP: "no Protect app is registered.",
        StatusRule.NOT_JUDGED: "it stays so for half an hour after an outage of the dashboard.",
        StatusRule.SILENT: f"{no_contact(days)[0].lower()}{no_contact(days)[1:]} So says {given.policy}.",
        StatusRule.IN_CONTACT: f"in contact within {_days(days)}, as {given.policy} asks.",
    }[rule]
    if status != given.facts.status:
        sentence = f"the sweep has not seen it yet; it becomes {status.title()} within a minute or two."
    unknown = () if given.since else (
        f"When it became {word} is not known any more: events are kept for {_days(given.events_kept_days)}.",
    )  # fmt: skip
    return StatusLink(
        status=given.facts.status, rule=rule, conclusion=f"{word}: {sentence}", since=given.since,
        unknown=unknown,
    )  # fmt: skip


def _pending_risk(given: ProtectionGiven) -> str:
    if given.facts is None:
        return ""
    risk = Risk(evaluate(given.facts, given.rules).risk)
    if risk == given.facts.risk:
        return ""
    return f"It becomes {risk.label} once the worker has rated the device anew."


def _days(days: int) -> str:
    return f"{days:,} {'day' if days == 1 else 'days'}"
