"""How tagging stands for an integration: what is on, what was pushed, what waits, the devices of each tag."""

from __future__ import annotations

from typing import Any

from harmony.jobs.kinds import JobKind
from harmony.models import Integration
from harmony.models.configuration import Tagging
from harmony.tagging.names import is_managed
from harmony.web.runs import job_status
from harmony.web.runs.job_status import JobStatus
from harmony.web.tags import queries as tag_queries
from harmony.web.tags import text as tag_text
from harmony.web.tags.queries import TagCounts, TagLine


def tagging_context(integration: Integration, pushes: JobStatus | None = None) -> dict[str, Any]:
    """Return what a page says of tagging; `tags_missing`: one that is needed is not in the UEM yet.

    `pushes`: the status of its job, if it is known. `awaits_sync`: nothing may be pushed before a
    device sync with new Server Details.
    """
    tagging = integration.in_force.tagging
    lines = [line for line in tag_queries.lines(integration.id) if _matters(line, tagging)]
    pushes = pushes or job_status.job_status(integration, JobKind.TAGGING)
    return {
        "integration": integration,
        "tagging": tagging,
        "tagged": tag_text.switched_on(tagging),
        "pushes": pushes,
        "awaits_sync": pushes.first_sync,
        "totals": tag_queries.totals(integration.id, lines),
        "lines": lines,
        "tags_missing": any(_is_missing(line, tagging) for line in lines),
    }


def _matters(line: TagLine, tagging: Tagging) -> bool:
    """Return False for a tag that is only remembered as ours, on no device and for no use."""
    in_use = is_managed(line.tag.key, tagging) or line.tag.retired_at is not None
    return in_use or line.counts != TagCounts()


def _is_missing(line: TagLine, tagging: Tagging) -> bool:
    return line.tag.external_id is None and is_managed(line.tag.key, tagging)
