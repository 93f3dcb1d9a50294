"""The actions of the public API: sync now, pause and resume an integration, approve a deletion on hold."""

from __future__ import annotations

from datetime import datetime

from harmony.api.action_schemas import ActionAnswer, Approval, HeldList
from harmony.api.operations import hold_record
from harmony.api.problems import ApiProblem
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Device, Hold, Integration, IntegrationState
from harmony.security.principal import Principal
from harmony.sync import lifecycle
from harmony.sync.deletion import holds
from harmony.sync.deletion.holds import ListChanged, NotOpen, WrongNumber, listed
from harmony.web.shared.banners import waits_for_worker, why_no_sync

_IDS_SHOWN = 1000
_OVER = "This hold is decided already, or over."


def sync(integration_id: int, principal: Principal, now: datetime) -> ActionAnswer:
    """Make a full sync due at once. Raises ApiProblem."""
    integration = _integration(integration_id)
    if not lease.request(integration_id, JobKind.DEVICES, principal.name, now):
        raise ApiProblem("not_possible", why_no_sync(integration))
    enqueue(JobKind.DEVICES, integration_id)
    waits = waits_for_worker(integration, now)
    return ActionAnswer(done=True, message=waits or "Sync requested. It starts in a moment.")


def pause(integration_id: int, principal: Principal, now: datetime) -> ActionAnswer:
    """Stop syncing; a run under way ends at its next page. Raises ApiProblem."""
    integration = _integration(integration_id)
    if lifecycle.pause(integration_id, principal.name, now):
        return ActionAnswer(done=True, message="Paused. No sync starts until you resume it.")
    return _already(integration, IntegrationState.PAUSED, "It is paused already.")


def resume(integration_id: int, principal: Principal, now: datetime) -> ActionAnswer:
    """Sync again, at once. Raises ApiProblem."""
    integration = _integration(integration_id)
    if lifecycle.resume(integration_id, principal.name, now):
        enqueue(JobKind.DEVICES, integration_id)
        return ActionAnswer(done=True, message="Resumed. A sync starts in a moment.")
    return _already(integration, IntegrationState.ACTIVE, "It is not paused.")


def held_list(hold_id: int, principal: Principal) -> HeldList:
    """Return a hold with its list as it is now. Raises ApiProblem."""
    hold = _hold(hold_id)
    if hold.state not in holds.PENDING:
        raise ApiProblem("not_possible", f"{_OVER} Its list is gone.")
    whole = holds.listing(db.session(), listed(hold))
    ids = db.session.scalars(
        db.select(Device.id).where(*listed(hold)).order_by(Device.id).limit(_IDS_SHOWN)
    ).all()
    record = hold_record(hold, principal)
    return HeldList(hold=record, devices=whole.devices, digest=whole.digest, device_ids=list(ids))


def approve(hold_id: int, approval: Approval, principal: Principal, now: datetime) -> ActionAnswer:
    """Approve exactly the list that was read. Raises ApiProblem."""
    hold = _hold(hold_id)
    integration_id = hold.integration_id
    try:
        at_once = holds.approve(hold_id, approval.digest, approval.devices, principal.name, now)
    except NotOpen:
        raise ApiProblem("not_possible", _OVER) from None
    except (ListChanged, WrongNumber):
        raise ApiProblem("list_changed", "Read it again, and approve what it is now.") from None
    enqueue(JobKind.DEVICES, integration_id)
    later = "The next complete sync deletes the devices that are still missing then."
    starts = "A sync starts now." if at_once else "No sync can start now."
    return ActionAnswer(done=True, message=f"Approved. {later} {starts}")


def _already(integration: Integration, state: IntegrationState, message: str) -> ActionAnswer:
    if integration.state != state:
        raise ApiProblem("not_possible", "The set-up of this integration is not finished.")
    return ActionAnswer(done=False, message=message)


def _integration(integration_id: int) -> Integration:
    integration = db.session.get(Integration, integration_id)
    if integration is None or not integration.connected:
        raise ApiProblem("not_found")
    return integration


def _hold(hold_id: int) -> Hold:
    hold = db.session.get(Hold, hold_id)
    if hold is None or not db.session.get_one(Integration, hold.integration_id).connected:
        raise ApiProblem("not_found")
    return hold
