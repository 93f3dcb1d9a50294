"""The caution after a restore: what waits, what to look at, and the confirmation that ends it."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, func, select

from harmony.clock import now
from harmony.db import db
from harmony.jobs import caution
from harmony.models import Hold, HoldState, LinkState, Message, MessageState, TagLink
from harmony.security.auth import may
from harmony.security.permissions import Permission, needs

blueprint = Blueprint("caution", __name__, url_prefix="/caution")


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Show what waits for the confirmation."""
    return render_template(
        "caution/show.html",
        since=caution.since(),
        may_confirm=may(Permission.ADMINISTER),
        tags=_count(select(func.count()).select_from(TagLink).where(TagLink.state == LinkState.PENDING)),
        holds=_count(select(func.count(Hold.id)).where(Hold.state == HoldState.OPEN)),
        messages=_count(select(func.count(Message.id)).where(Message.state == MessageState.QUEUED)),
    )


@blueprint.post("/end")
@needs(Permission.ADMINISTER)
def end() -> ResponseReturnValue:
    """Confirm the restored state."""
    if caution.end(g.user.name, now()):
        flash("The restore is confirmed. Tags, deletions and messages go on within a minute.", "success")
    return redirect(url_for("overview.show"), 303)


def _count(query: Select[int]) -> int:
    return db.session.scalar(query) or 0
