"""PURE: the tags of a device: why each is wanted, what the last call came to, when the UEM showed it."""

from __future__ import annotations

from datetime import datetime

from harmony.models.states import LinkState
from harmony.protection.catalogue import factor_of
from harmony.tagging.names import FACTOR, OLD, name_of
from harmony.web.why.given import StoredTag, TagsGiven
from harmony.web.why.records import ExplainedTag, TaggingLink

_CALLS = {
    (LinkState.PENDING, True): "Waits to be put on.",
    (LinkState.PENDING, False): "Waits to be taken off.",
    (LinkState.FAILED, True): "The UEM declined to put it on.",
    (LinkState.FAILED, False): "The UEM declined to take it off.",
    (LinkState.DROPPED, True): "The UEM does not know the device.",
    (LinkState.DROPPED, False): "The UEM does not know the device.",
    (LinkState.DONE, True): "Put on.",
    (LinkState.DONE, False): "Taken off.",
}
_UNSETTLED = "A call was sent whose answer is not known; a look at who carries the tag settles it."


def tag_link(given: TagsGiven) -> TaggingLink:
    """Explain every tag that is wanted, or that is or was about to be on the device."""
    stored = {tag.key: tag for tag in given.stored}
    keys = sorted({*given.keys, *stored}, key=lambda key: (key not in given.keys, key))
    tags = tuple(_explained(key, stored.get(key), given) for key in keys)
    last = given.last_push_at
    unknown = () if last or not tags else ("When tags were pushed last is not known any more.",)
    return TaggingLink(
        conclusion=_conclusion(given, keys),
        tags=tags,
        last_push_at=last,
        next_push_at=None if given.obstacle else given.next_push_at,
        unknown=unknown,
    )


def _conclusion(given: TagsGiven, keys: list[str]) -> str:
    many = len(given.keys)
    wanted = f"{many} {'tag is' if many == 1 else 'tags are'} wanted." if many else "No tag is wanted."
    left = f" {given.obstacle}" if given.obstacle else ""
    done = {tag.key for tag in given.stored if tag.state == LinkState.DONE and tag.present == tag.wanted}
    if not left and keys and done.issuperset(keys):
        left = " All of them are on the device." if many else ""
    return wanted + left


def _explained(key: str, stored: StoredTag | None, given: TagsGiven) -> ExplainedTag:
    name = (stored.name if stored else "") or name_of(key, given.tagging)
    because = _because(key, is_wanted=key in given.keys)
    if stored is None:
        return ExplainedTag(
            key=key, name=name, wanted=True, because=because, call="The next push plans it.",
            state=LinkState.PENDING, read_back="Nothing was sent yet.",
        )  # fmt: skip
    read_back, read_at = _read_back(stored)
    return ExplainedTag(
        key=key,
        name=name,
        wanted=key in given.keys,
        because=because,
        call=_call(stored),
        state=stored.state,
        attempts=stored.attempts,
        changed_at=stored.changed_at,
        next_try_at=stored.next_try_at,
        read_back=read_back,
        read_back_at=read_at,
    )


def _because(key: str, *, is_wanted: bool) -> str:
    kind, _, value = key.partition(":")
    if key.startswith(OLD):
        return "A former tag, which is taken off every device."
    if key.startswith(FACTOR):
        name = factor_of(value).name
        return f"{name} is open." if is_wanted else f"{name} is not open, or threat factors are not tagged."
    word = {"none": "No Risk"}.get(value, value.title())
    return f"The {kind} is {word}." if is_wanted else f"The {kind} is not {word}, or it is not tagged."


def _call(stored: StoredTag) -> str:
    state = LinkState(stored.state)
    shown = stored.present if state is LinkState.DONE else stored.wanted
    unsettled = _UNSETTLED if stored.attempts and state is LinkState.PENDING else ""
    tried = f"Tried {_times(stored.attempts)}." if stored.attempts and state is LinkState.FAILED else ""
    parts = (_CALLS[state, shown], stored.reason, tried, stored.problem, unsettled)
    return " ".join(part for part in parts if part)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _read_back(stored: StoredTag) -> tuple[str, datetime | None]:
    """Say what the last look at who carries the tag, and the answers to calls since then, show."""
    shown = "on the device" if stored.present else "not on the device"
    if stored.read_at is None:
        return f"It was not read yet who carries the tag; the answers to calls show it {shown}.", None
    return f"This read and the calls since then show it {shown}.", stored.read_at
