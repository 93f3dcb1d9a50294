"""A UEM of tags in memory (rung R): what is on which device, and the positions nobody has documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harmony.tagging.names import tag_key
from harmony.uem.errors import NotFound, RequestRefused
from harmony.uem.records import BulkOutcome, Carriers, Quota, Tag, TagList
from tests.builders import FakeUem

GROUP = "570"
NOT_FOUND = NotFound("The UEM does not find what was asked for (status 404).")


@dataclass
class ModelTag:
    """A tag, and the ids of the devices that carry it."""

    id: str
    name: str
    devices: set[str] = field(default_factory=set)


@dataclass
class TagUem(FakeUem):
    """`enrolled` are the devices it knows, `locked` those whose tags it lets nobody change.

    `again` and `all_fail` as the simulator's switches of that name. `before_call` sees each call about tags
    and may raise; `after_call` sees those that were carried out and may lose the answer. `log` keeps both.
    `lie` is given what a call is, what it is about and its true answer, and returns what is answered.
    """

    enrolled: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    held: dict[str, ModelTag] = field(default_factory=dict)
    again: str = "accepted"
    all_fail: str = "404"
    lie: Callable[[str, str, Any], Any] = lambda _what, _about, answer: answer
    before_call: Callable[[str, str, Sequence[str]], None] = lambda *_: None
    after_call: Callable[[str, str, Sequence[str]], None] = lambda *_: None
    log: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    made: int = 0
    lanes: int = 1

    def make(self, name: str, *devices: str) -> ModelTag:
        """Somebody makes a tag by hand."""
        self.made += 1
        tag = ModelTag(str(10_000 + self.made), name, set(devices))
        self.held[tag.id] = tag
        return tag

    def named(self, name: str) -> ModelTag:
        """The tag of that name."""
        return next(tag for tag in self.held.values() if tag.name == name)

    def carried(self, device: str) -> set[str]:
        """The names of the tags on a device."""
        return {tag.name for tag in self.held.values() if device in tag.devices}

    def parallel(self) -> int:
        return self.lanes

    def calls(self) -> int:
        return len(self.log)

    def quota(self) -> Quota | None:
        return None

    def tags(self, organization_group_id: str) -> TagList:
        self._called("tags", organization_group_id)
        tags = tuple(Tag(tag.id, tag.name, GROUP) for tag in self.held.values())
        return self._told("tags", organization_group_id, TagList(tags, (), len(tags), len(tags)))

    def search_tags(self, name: str, organization_group_id: str) -> TagList:
        self._called("search", name)
        found = [tag for tag in self.held.values() if name.casefold() in tag.name.casefold()]
        tags = tuple(Tag(tag.id, tag.name, GROUP) for tag in found)
        return self._told("search", name, TagList(tags, (), len(tags), len(tags)))

    def create_tag(self, name: str, organization_group_id: str) -> Tag:
        self._called("create", name)
        if any(tag_key(tag.name) == tag_key(name) for tag in self.held.values()):
            raise RequestRefused("The UEM declined the call (status 400, errorCode 400).")
        tag = self.make(name)
        self.after_call("create", name, ())
        return self._told("create", name, Tag(tag.id, name, organization_group_id))

    def tag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        self._called("add", tag_id, device_ids)
        return self._told("add", tag_id, self._changed("add", tag_id, device_ids, self._put))

    def untag_devices(self, tag_id: str, device_ids: Sequence[str]) -> BulkOutcome:
        self._called("remove", tag_id, device_ids)
        return self._told("remove", tag_id, self._changed("remove", tag_id, device_ids, self._take))

    def tagged_devices(self, tag_id: str) -> Carriers:
        self._called("carriers", tag_id)
        held = self.held.get(tag_id)
        true = NOT_FOUND if held is None else Carriers(tuple(sorted(held.devices)))
        return self._told("carriers", tag_id, true)

    def unenrol(self, device: str) -> None:
        """Its tags go with it."""
        self.enrolled.discard(device)
        for tag in self.held.values():
            tag.devices.discard(device)

    def _told(self, what: str, about: str, answer: Any) -> Any:
        told = self.lie(what, about, answer)
        if isinstance(told, Exception):
            raise told
        return told

    def _called(self, what: str, about: str, devices: Sequence[str] = ()) -> None:
        self.before_call(what, about, devices)
        self.log.append((what, about, tuple(devices)))

    def _changed(
        self, what: str, tag_id: str, ids: Sequence[str], change: Callable[[ModelTag, str], bool]
    ) -> BulkOutcome:
        assert len(set(ids)) == len(ids) <= 500
        if tag_id not in self.held:
            return BulkOutcome(unclear=dict.fromkeys(ids, 404))
        unknown = [id_ for id_ in ids if id_ not in self.enrolled]
        declined = [id_ for id_ in ids if id_ in self.locked & self.enrolled]
        fit = [id_ for id_ in ids if id_ in self.enrolled - self.locked]
        same = [id_ for id_ in fit if not change(self.held[tag_id], id_)]
        self.after_call(what, tag_id, ids)
        faulted = declined + (same if self.again == "fault" else [])
        if self.all_fail == "404" and len(unknown) + len(faulted) == len(ids):
            return BulkOutcome(unclear=dict.fromkeys(ids, 404))
        return BulkOutcome(frozenset(unknown), dict.fromkeys(faulted, 400))

    @staticmethod
    def _put(tag: ModelTag, id_: str) -> bool:
        fresh = id_ not in tag.devices
        tag.devices.add(id_)
        return fresh

    @staticmethod
    def _take(tag: ModelTag, id_: str) -> bool:
        there = id_ in tag.devices
        tag.devices.discard(id_)
        return there
