"""The words of the tag pages: filters, meanings of tags, reasons for an empty list."""

from __future__ import annotations

from collections.abc import Iterator

from harmony.models import Integration, IntegrationState
from harmony.models.configuration import Tagging
from harmony.protection.catalogue import factor_of
from harmony.setup.tag_creation import CreatedTags
from harmony.tagging.names import OLD
from harmony.web.tags.queries import LinkSelection, TagCounts

_SHOWN = {
    LinkSelection.PRESENT: "On the device",
    LinkSelection.WANTED: "It should stand on",
    LinkSelection.PENDING: "Waiting for a push",
    LinkSelection.FAILED: "Push failed",
}
EMPTY = {
    LinkSelection.PRESENT: "The tag stands on no device, as far as is known here.",
    LinkSelection.WANTED: "No device is in the state that this tag stands for.",
    LinkSelection.PENDING: "Nothing waits to be pushed: the UEM shows what is known here.",
    LinkSelection.FAILED: "No push of this tag failed.",
}


def choices(counts: TagCounts) -> list[tuple[LinkSelection, str]]:
    """Return the words of the filter, each with the number of its devices."""
    return [(selection, f"{word} ({getattr(counts, selection):,})") for selection, word in _SHOWN.items()]


_OLD_KIND = OLD.removesuffix(":")
_MEANINGS = {"status": "status {}", "risk": "risk {}", "factor": "threat factor {}", _OLD_KIND: "former tag"}


def meaning(key: str) -> str:
    """Say what a tag stands for.

    >>> meaning("risk:high"), meaning("factor:ROOTED")
    ('risk High', 'threat factor Rooted')
    """
    kind, _, value = key.partition(":")
    name = factor_of(value).name if kind == "factor" else value.title()
    return _MEANINGS.get(kind, "{}").format(name)


def of_making(creation: CreatedTags) -> Iterator[tuple[str, str]]:
    """Yield what *Create missing tags* did, as (level, sentence)."""
    if creation.names:
        yield "success", f"Created in the UEM: {', '.join(creation.names)}."
    for problem in creation.problems:
        yield "error", f"{'Not all were' if creation.names else 'No tag was'} created: {problem}"
    if not creation.names and not creation.problems:
        yield "info", "No tag is missing."


def switched_on(tagging: Tagging) -> list[str]:
    """Return what is tagged, in the order of the page."""
    kinds = {"status": tagging.tag_status, "risk": tagging.tag_risk, "threat factors": tagging.tag_factors}
    return [kind for kind, on in kinds.items() if on]


def why_no_tags(integration: Integration) -> str:
    """Explain why the list of tags is empty, and what to do."""
    if not switched_on(integration.in_force.tagging):
        return "Tagging is switched off. Names and switches turns it on."
    if integration.state == IntegrationState.PAUSED:
        return "The integration is paused. Resume it: tags are pushed after its next sync."
    return "Tags are pushed once the first device sync has ended. Push tags now does it at once."
