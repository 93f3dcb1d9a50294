"""The guide: a page for each step in the console of the UEM, with the values of this integration to copy."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from harmony.models import Integration
from harmony.setup.app_configuration import UEMS
from harmony.tagging.names import NO_RISK_KEY, RISK_KEYS, STATUS_KEYS, name_of
from harmony.uem.connection import REGIONS
from harmony.web.app_configuration.views import server_address
from harmony.web.integrations.information import values_of
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint("guide", __name__, url_prefix="/integrations/<int:integration_id>/guide")

# The role's name is the one that the vendor's guide advises (facts/harmony-mobile.md §2.1).
_ROLE = "api_admin_role"


class GuideStep(NamedTuple):
    """One step: its address, its title, and what it is for in one sentence."""

    name: str
    title: str
    purpose: str


STEPS = (
    GuideStep("account", "API account and role", "An administrator of the UEM that only calls its API."),
    GuideStep("api-key", "REST API key", "The key that goes with a user name and a password."),
    GuideStep("oauth", "OAuth client", "The recommended way to sign in, without a password."),
    GuideStep("tags", "Tags", "The labels that carry status and risk into the UEM."),
    GuideStep("smart-groups", "Smart groups", "A group for each tag, which profiles and policies can name."),
    GuideStep("app", "Protect app", "Its assignment, with the configuration that registers each device."),
    GuideStep("mitigation", "Mitigation", "What the UEM does with a device at risk."),
)


@blueprint.get("")
def index(integration_id: int) -> ResponseReturnValue:
    """List the steps."""
    integration = connected_or_404(integration_id)
    return render_template("guide/index.html", integration=integration, steps=STEPS)


@blueprint.get("/<step>")
def show(integration_id: int, step: str) -> ResponseReturnValue:
    """Show one step."""
    integration = connected_or_404(integration_id)
    names = [each.name for each in STEPS]
    if step not in names:
        abort(404)
    place = names.index(step)
    return render_template(
        f"guide/{step}.html",
        integration=integration,
        step=STEPS[place],
        number=place + 1,
        steps=STEPS,
        before=STEPS[place - 1] if place else None,
        after=STEPS[place + 1] if place + 1 < len(STEPS) else None,
        **_values(integration),
    )


def _values(integration: Integration) -> dict[str, Any]:
    values = values_of(integration)
    names = {key: name_of(key, values.tagging) for key in (*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY)}
    wanted = STATUS_KEYS + RISK_KEYS + ((NO_RISK_KEY,) if values.tagging.tag_no_risk else ())
    return {
        "server": values.server,
        "role": _ROLE,
        "regions": REGIONS,
        "tags": [names[key] for key in wanted],
        "high": names[RISK_KEYS[0]],
        "inactive": names[STATUS_KEYS[-1]],
        "address": server_address(),
        "lookups": UEMS["ws1"],
        "enterprise": [group.name for group in values.synchronization.groups if group.android_enterprise],
    }
