"""The checks of the Tagging page: the tags in the UEM against those needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harmony.models import Integration
from harmony.models.configuration import SERVER, TAGGING, ServerDetails, Tagging
from harmony.setup import groups, tag_counts
from harmony.setup.drafts import draft
from harmony.setup.tag_preview import NeededTag, Place, Standing, TagLook, judged
from harmony.setup.uem_session import opened, timed
from harmony.uem.verify.checks import CheckResult, CheckState, not_tried

READ_TAGS = "Read tags"
NAMES = "Names of the tags"
TAGS = "Tags in the UEM"
_PERMISSION = "Settings > Tags > edit"
_MENU = "Groups & Settings > All Settings > Devices & Users > Advanced > Tags"
_GO_ON = "Press Adopt all to go on using what is there, or choose other names."
_CHOOSE = "Tick Adopt beside the name if Harmony may put this tag on and take it off, or choose another name."
_NONE_NEEDED = "No tag is needed now."
NAMED = 3


def look(integration: Integration) -> Iterator[CheckResult | TagLook]:
    """Yield the results, and between them the state of every tag that is needed."""
    tagging, id_ = draft(integration, TAGGING, Tagging), integration.id
    devices, ours = tag_counts.devices_by_key(id_), tag_counts.ours(id_)
    top, where = groups.top(id_)
    with opened(integration, draft(integration, SERVER, ServerDetails)) as client:
        result, in_uem = timed(READ_TAGS, lambda: client.tags(top))
    if in_uem is None:
        yield result
        yield from map(not_tried, (NAMES, TAGS))
        return
    yield replace(result, sentence=f"{len(in_uem.tags):,} tags are visible at {where}.")
    seen = judged(tagging, devices, Place(tags=in_uem.tags, ours=ours, group=where))
    yield seen
    if not seen.tags:
        yield from (not_tried(name, _NONE_NEEDED) for name in (NAMES, TAGS))
        return
    yield _names(seen.those(Standing.FOREIGN))
    yield _tags(seen, where)


def _names(foreign: Sequence[NeededTag]) -> CheckResult:
    if not foreign:
        return CheckResult(NAMES, CheckState.OK, None, "No name is already in use.", None)
    one = len(foreign) == 1
    if all(tag.earlier for tag in foreign):
        sentence = f"{_listed(foreign)} {'was' if one else 'were'} made by Harmony earlier."
        return CheckResult(NAMES, CheckState.FAILED, None, sentence, _GO_ON)
    strangers = [tag for tag in foreign if not tag.earlier]
    verb = "is in the UEM already, not made" if len(strangers) == 1 else "are in the UEM already, not made"
    return CheckResult(NAMES, CheckState.FAILED, None, f"{_spelled(strangers)} {verb} by Harmony.", _CHOOSE)


def _tags(seen: TagLook, where: str) -> CheckResult:
    missing, all_of = seen.those(Standing.MISSING), len(seen.tags)
    if not missing:
        return CheckResult(TAGS, CheckState.OK, None, f"All {all_of} are there.", None)
    advice = (
        f"Harmony can create them, if the account has {_PERMISSION}. "
        f"Or create them in the console at {where}, and adopt them here: {_MENU}."
    )
    return CheckResult(TAGS, CheckState.WARNING, None, f"{_listed(missing)} not there yet.", advice)


def _spelled(tags: Sequence[NeededTag]) -> str:
    """The names, and of one that the UEM writes otherwise how it does."""
    other = [f"{tag.name} (there: {tag.spelling})" for tag in tags if tag.spelling != tag.name]
    return ", ".join(other[:NAMED]) if other and len(other) == len(tags) <= NAMED else _listed(tags)


def _listed(tags: Sequence[NeededTag]) -> str:
    names = ", ".join(tag.name for tag in tags[:NAMED])
    return f"{names} and {len(tags) - NAMED} more" if len(tags) > NAMED else names
