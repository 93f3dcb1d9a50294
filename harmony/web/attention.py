"""What somebody should look at: an integration stopped, a certificate near its end, little quota."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask import url_for

from harmony.models import Integration, SyncRun
from harmony.models.configuration import SERVER, ServerDetails
from harmony.uem.certificates import WARN_DAYS, CertificateRefused, read_upload
from harmony.web.chrome import Banner

LOW_QUOTA_PERCENT = 10


def attention(
    integration: Integration, server: ServerDetails, last: SyncRun | None, now: datetime
) -> Iterator[Banner]:
    """The banners of the integration's page, the gravest first."""
    edit = url_for("wizard.show", integration_id=integration.id, page=SERVER)
    if integration.stopped_why:
        text = f"Stopped: {integration.stopped_reason} Nothing is synced until Server Details are edited."
        yield Banner("danger", text, edit, "Edit Server Details")
    if server.self_signed and (ending := _certificate(server.certificate, now)):
        yield Banner("warning", ending, edit, "Upload the new one")
    if last is not None and _is_low(last.quota_left, last.quota_limit):
        yield Banner("warning", _quota(last.quota_left or 0, last.quota_limit or 0))


def _certificate(pem: str, now: datetime) -> str | None:
    try:
        days = min(one.days_left for one in read_upload(pem, now).certificates)
    except CertificateRefused:
        return "The certificate of the server has expired or cannot be used any more; syncs will fail."
    return f"The certificate of the server ends in {days} days." if days < WARN_DAYS else None


def _is_low(left: int | None, limit: int | None) -> bool:
    return left is not None and limit is not None and left * 100 < LOW_QUOTA_PERCENT * limit


def _quota(left: int, limit: int) -> str:
    return (
        f"Only {left:,} of the UEM's {limit:,} calls a day are left. The quota is shared with your other "
        "integrations; a sync that finds none left waits until it is renewed."
    )
