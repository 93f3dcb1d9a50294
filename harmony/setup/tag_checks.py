"""The checks of the Tagging page: the tags in the UEM against those needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Finding, Protection, Risk, UemTag
from harmony.setup import former_tags, groups
from harmony.setup.tag_preview import NeededTag, Ours, Standing, TagLook, TagPlace, judged
from harmony.setup.uem_session import opened, timed
from harmony.setup.wizard_state import WizardState
from harmony.tagging.names import factor_key, risk_key, tag_key
from harmony.uem.verify.checks import CheckResult, CheckState, not_tried

READ_TAGS = "Read tags"
NAMES = "Names of the tags"
TAGS = "Tags in the UEM"
_PERMISSION = "Settings > Tags > edit"
_MENU = "Groups & Settings > All Settings > Devices & Users > Advanced > Tags"
_GO_ON = "Press Adopt all to go on using what is there, or choose other names."
_CHOOSE = "Tick Adopt beside the name if Harmony may put this tag on and take it off, or choose another name."
_NONE_NEEDED = "No tag is needed now."
_NAMED = 3


def look(state: WizardState) -> Iterator[CheckResult | TagLook]:
    """Yield the results, and between them the state of every tag that is needed."""
    devices, ours = _devices_by_key(state.id), _own_tags(state)
    tagging, (top, where) = state.draft.tagging, groups.top(state.groups)
    with opened(state.integration, state.draft.server) as client:
        result, in_uem = timed(READ_TAGS, lambda: client.tags(top))
    if in_uem is None:
        yield result
        yield from map(not_tried, (NAMES, TAGS))
        return
    yield replace(result, sentence=f"{len(in_uem.tags):,} tags are visible at {where}.")
    seen = judged(tagging, devices, TagPlace(tags=in_uem.tags, ours=ours, group=where))
    yield seen
    if not seen.tags:
        yield from (not_tried(name, _NONE_NEEDED) for name in (NAMES, TAGS))
        return
    yield _names(seen.those(Standing.FOREIGN))
    yield _tags(seen, where)


def _names(foreign: Sequence[NeededTag]) -> CheckResult:
    if not foreign:
        return CheckResult(NAMES, CheckState.OK, None, "No name is already in use.", None)
    single = len(foreign) == 1
    if all(tag.earlier for tag in foreign):
        sentence = f"{_listed(foreign)} {'was' if single else 'were'} made by Harmony earlier."
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
    verb = "is" if len(missing) == 1 else "are"
    return CheckResult(TAGS, CheckState.WARNING, None, f"{_listed(missing)} {verb} not there yet.", advice)


def _spelled(tags: Sequence[NeededTag]) -> str:
    """The names, and of one that the UEM writes otherwise how it does."""
    other = [f"{tag.name} (there: {tag.spelling})" for tag in tags if tag.spelling != tag.name]
    return ", ".join(other[:_NAMED]) if other and len(other) == len(tags) <= _NAMED else _listed(tags)


def _listed(tags: Sequence[NeededTag]) -> str:
    names = ", ".join(tag.name for tag in tags[:_NAMED])
    return f"{names} and {len(tags) - _NAMED} more" if len(tags) > _NAMED else names


def _own_tags(state: WizardState) -> Ours:
    """Return the tags that this integration made or adopted; one it was about to make by its name."""
    tags = db.session.scalars(select(UemTag).where(UemTag.integration_id == state.id)).all()
    begun = {tag.name for tag in tags if tag.external_id is None and tag.organization_group_id is not None}
    ids = [(id_, tag) for tag in tags for id_ in (tag.external_id, tag.former_id) if id_]
    return Ours(
        ids=frozenset(id_ for id_, tag in ids if tag.proven),
        unproven=frozenset((id_, tag_key(tag.name)) for id_, tag in ids if not tag.proven),
        begun=frozenset(begun),
        earlier=former_tags.at_same_uem(state),
    )


def _devices_by_key(integration_id: int) -> dict[str, int]:
    """Count the devices that each tag would be put on now, by its key; a tag not named goes on none."""
    live = (
        Device.integration_id == integration_id,
        Device.deleted_at.is_(None),
        Device.external_id.is_not(None),
    )
    status = func.coalesce(Protection.status, DeviceStatus.PROVISIONED.value)
    risk = func.coalesce(Protection.risk, int(Risk.NONE))
    both = select(status, risk, func.count()).select_from(Device).outerjoin(Protection)
    found: dict[str, int] = {}
    for name, level, count in db.session.execute(both.where(*live).group_by(status, risk)):
        for key in (f"status:{name}", risk_key(level)):
            found[key] = found.get(key, 0) + count
    number = func.count(Finding.device_id.distinct())
    factors = select(Finding.code, number).join(Device, Device.id == Finding.device_id)
    by_code = factors.where(*live, Finding.closed_at.is_(None)).group_by(Finding.code)
    return found | {factor_key(code): count for code, count in db.session.execute(by_code)}
