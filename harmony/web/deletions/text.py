"""What pages say of a hold: its banner, its state, why it holds; and how devices are counted in words."""

from __future__ import annotations

from collections.abc import Iterator

from flask import url_for

from harmony.db import db
from harmony.models import Hold, HoldState
from harmony.sync.deletion import holds
from harmony.sync.deletion.guard import Reason
from harmony.web.shared.layout import Banner

# state: (a key of the badges in _ui.html, the word on it)
BADGES = {
    HoldState.OPEN: ("held", "Waits for you"),
    HoldState.APPROVED: ("pending", "Approved"),
    HoldState.DONE: ("deleted", "Deleted"),
    HoldState.DISMISSED: ("cancelled", "Dismissed"),
    HoldState.CLEARED: ("none", "No longer needed"),
    HoldState.EXPIRED: ("not_tried", "Approval ran out"),
}
# Why the snapshot that first missed a device may be wrong about it.
WHYS = {
    "emptied": "Its groups list no device",
    "edited": "First missed after an edit",
    "restored": "First missed after a restore",
}


def pending(integration_id: int) -> Hold | None:
    """Return the hold of the integration that is not over, if there is one."""
    return holds.pending(db.session(), integration_id)


def reasons(hold: Hold) -> list[str]:
    """Return why it holds, in sentences."""
    return [Reason.read(stored).sentence for stored in hold.reasons]


def counted(devices: int) -> str:
    """Count devices in words.

    >>> counted(1), counted(5000)
    ('1 device', '5,000 devices')
    """
    return f"{devices:,} device{'' if devices == 1 else 's'}"


def banners(hold: Hold | None) -> Iterator[Banner]:
    """Yield what stands on top while a hold is not over."""
    if hold is None:
        return
    href = url_for("holds.show", integration_id=hold.integration_id, hold_id=hold.id)
    if hold.state == HoldState.OPEN:
        why, share = reasons(hold), f"{hold.devices:,} of {counted(hold.live)}"
        says_share = any(reason.startswith(f"{share} would go") for reason in why)
        what = "A deletion" if says_share else f"The deletion of {share}"
        text = " ".join([f"{what} waits for you; nothing was deleted.", *why])
        yield Banner("warning", text, href, "Review")
    else:
        text = (
            f"The deletion of {counted(hold.devices)} was approved by {hold.decided_by}. The next complete "
        )
        yield Banner("info", text + "sync deletes those that are still missing then.", href, "Show")
