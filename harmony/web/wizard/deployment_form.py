"""The form of the Deployment page as a record, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from harmony.clock import now
from harmony.models.configuration import Deployment
from harmony.setup.wizard_state import WizardState
from harmony.web.wizard.forms import DeploymentForm


def fill(record: Deployment) -> dict[str, Any]:
    """Return what the form shows of a record."""
    on = {"send_email": record.email_since is not None, "send_sms": record.sms_since is not None}
    return msgspec.structs.asdict(record) | on


def read(form: DeploymentForm, state: WizardState) -> Deployment:
    """Return the record that the form makes."""
    draft = state.draft.deployment
    typed = {name: form[name].data for name in ("auto_addition", "unlisted_days", "language", "code_days")}
    typed["email_since"] = _since(form.send_email.data, draft.email_since)
    typed["sms_since"] = _since(form.send_sms.data, draft.sms_since)
    return msgspec.structs.replace(draft, **typed)


def _since(switch: bool, before: datetime | None) -> datetime | None:
    """Return when a notification was switched on: only devices that are created later get a message."""
    return (before or now()) if switch else None
