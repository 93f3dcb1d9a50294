"""How tagging stands for an integration: what is on, what was pushed, what waits, the devices of each tag."""

from __future__ import annotations

from typing import Any

from harmony.models import DutyName, Integration
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.sync.duties import FIRST_SYNC
from harmony.web import duty_status, tag_rows, tag_words


def tagging_context(integration: Integration) -> dict[str, Any]:
    """What a page needs to say it; `tags_missing`: one that is needed is not in the UEM yet.

    `awaits_sync`: nothing may be pushed before a device sync with new Server Details.
    """
    page = integration.page(TAGGING)
    tagging, lines = from_row(Tagging, page.applied if page else None), tag_rows.lines(integration.id)
    pushes = duty_status.standing(integration, DutyName.TAGGING)
    return {
        "integration": integration,
        "tagging": tagging,
        "tagged": tag_words.switched_on(tagging),
        "pushes": pushes,
        "awaits_sync": pushes.duty is not None and pushes.duty.parked_why == FIRST_SYNC,
        "totals": tag_rows.totals(integration.id, lines),
        "lines": lines,
        "tags_missing": any(line.tag.external_id is None for line in lines),
    }
