"""The engine of tagging, its UEM and hostile administrators, in whatever order things happen (rung H)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import current_app
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from harmony.db import db, release, write
from harmony.jobs import lease, recovery
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import UNEXPECTED
from harmony.models import Device, JobRun, TagLink, UemTag
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.sync.deletion import soft_delete
from harmony.tagging import job as tagging_job
from harmony.tagging.names import is_managed, name_of, needed_keys
from harmony.uem.errors import ConnectionLost, RateLimited, ServerFailed
from harmony.uem.records import BulkOutcome, Carriers, OddTag, Tag, TagList
from tests.stored import a_sync
from tests.sync.model.stage import Died, Stage, integration
from tests.tagging import fleet
from tests.tagging.uem import NOT_FOUND, ModelTag, TagUem

PICK = st.integers(0, 11)
STATUSES = st.sampled_from(["provisioned", "active", "inactive"])
CODES = st.lists(st.sampled_from(["ROOTED", "BOTNET", "PHISHING"]), max_size=2, unique=True)
STRANGERS = ("900", "901")
SURPRISES = ["429", "503", "lost answer", "die", "stop", "untag", "tag", "delete tag", "unenrol"]
SWITCHES = ["tag_status", "tag_risk", "tag_factors", "tag_no_risk"]
# What a call is, and what is made of its true answer; a pair of them lies together.
LIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "no tags": ("tags", lambda _: TagList()),
    "half of the tags": ("tags", lambda true: TagList(true.tags[::2], (), true.rows, true.total)),
    "tags without ids": ("tags", lambda true: odd_tags(OddTag(None, tag.name) for tag in true.tags)),
    "tags without names": ("tags", lambda true: odd_tags(OddTag(tag.external_id, "") for tag in true.tags)),
    "ids of other tags": ("tags", lambda true: replace(true, tags=_rotated(true.tags))),
    "no such tag": ("carriers", lambda _: NOT_FOUND),
    "no carriers": ("carriers", lambda _: Carriers()),
    "unreadable carriers": ("carriers", lambda _: Carriers((), 9)),
    "everybody": ("carriers", lambda _: Carriers(tuple(map(str, range(1, 9))))),
    "unclear": ("add", lambda true: BulkOutcome(unclear=dict.fromkeys({*true.unknown, *true.unclear}, 0))),
    "unknown": ("add", lambda true: BulkOutcome(unknown=frozenset({*true.unknown, *true.unclear}))),
    "removal unclear": ("remove", lambda true: BulkOutcome(unclear=dict.fromkeys(true.unclear, 404))),
}
HOUR = timedelta(hours=1)


def odd_tags(rows: Iterable[OddTag]) -> TagList:
    """A list of nothing but these."""
    odd = tuple(rows)
    return TagList((), odd, len(odd), len(odd))


def _rotated(tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """The ids with the names of their neighbours."""
    names = [tag.name for tag in tags]
    return tuple(replace(tag, name=name) for tag, name in zip(tags, names[1:] + names[:1], strict=True))


class Machine(RuleBasedStateMachine):
    """`foreign` is who carries each tag that only the administrators touch, as far as they left it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage, self.uem = stage, TagUem()
        self.app = current_app._get_current_object()  # type: ignore[attr-defined]  # threads outlive the proxy
        self.next_device, self.hands, self.dead, self.fuse = 1, 0, False, -1
        self.surprise, self.stop = "", False
        self.foreign: dict[str, set[str]] = {}
        self.strangers: dict[str, set[str]] = {}
        self.by_hand: set[str] = set()
        stage.begin()
        self.id = fleet.a_fleet(0)
        self.uem.enrolled |= set(STRANGERS)
        self.uem.before_call, self.uem.after_call = self.before_call, self.after_call

    def teardown(self) -> None:
        self.settle()
        self.stage.leave()

    @initialize(devices=st.integers(1, 5), again=st.booleans(), all_fail=st.booleans(), first=st.booleans())
    def a_fleet(self, devices: int, again: bool, all_fail: bool, first: bool) -> None:
        self.uem.again, self.uem.all_fail = ("fault" if again else "accepted"), ("404" if all_fail else "200")
        for _ in range(devices):
            self.enrol()
        self.by_hand.add(self.uem.make("VIP", *STRANGERS, "1").id)
        if first:
            self.tag(whole=False, after=0, surprise="")

    # --- what the rows say ---

    def tagging(self) -> Tagging:
        page = integration(self.id).page(TAGGING)
        return from_row(Tagging, page.applied if page else None)

    def rows(self) -> list[UemTag]:
        release()
        return list(db.session.scalars(select(UemTag).where(UemTag.integration_id == self.id)))

    def ours(self) -> set[str]:
        """The ids of the tags that the engine may touch."""
        switches = self.tagging()
        return {
            row.external_id
            for row in self.rows()
            if row.external_id and (is_managed(row.key, switches) or row.retired_at or row.kept_off)
        }

    def device(self, pick: int) -> str | None:
        """The UEM's id of one of our devices."""
        mine = select(Device.external_id).where(Device.integration_id == self.id)
        found = [id_ for id_ in db.session.scalars(mine.order_by(Device.id)) if id_]
        release()
        return found[pick % len(found)] if found else None

    def held(self, pick: int) -> ModelTag:
        every = [self.uem.held[id_] for id_ in sorted(self.uem.held)]
        return every[pick % len(every)]

    # --- the fleet ---

    @rule()
    def enrol(self) -> None:
        number, self.next_device = self.next_device, self.next_device + 1
        fleet.enrol(self.id, number)
        self.uem.enrolled.add(str(number))
        self.synced()

    @rule(pick=PICK, status=STATUSES, risk=st.integers(0, 3), codes=CODES)
    def protect(self, pick: int, status: str, risk: int, codes: list[str]) -> None:
        if (device := self.device(pick)) is not None:
            fleet.protect(self.id, device, status, risk, *codes, at=self.stage.now)

    @rule(pick=PICK)
    def unenrol(self, pick: int) -> None:
        if (device := self.device(pick)) is not None:
            self.uem.unenrol(device)
            for carriers in self.foreign.values():
                carriers.discard(device)

    @rule(pick=PICK)
    def enrol_again(self, pick: int) -> None:
        if (device := self.device(pick)) is not None:
            self.unenrol(pick)
            number, self.next_device = self.next_device, self.next_device + 1
            self.uem.enrolled.add(str(number))
            self.set_device(device, external_id=str(number))

    @rule(pick=PICK, by_person=st.booleans())
    def delete_or_restore(self, pick: int, by_person: bool) -> None:
        if (device := self.device(pick)) is None:
            return
        where = (Device.integration_id == self.id, Device.external_id == device)
        if by_person:
            soft_delete.restore_all(where, "kim", self.stage.now)
        else:
            self.set_device(device, deleted_at=self.stage.now.replace(tzinfo=None), deleted_by="sync")

    def set_device(self, device: str, **values: Any) -> None:
        fleet.set_devices(self.id, f"external_id = '{device}'", whole=False, **values)
        self.synced()

    def synced(self) -> None:
        """A device sync has ended."""
        with write() as session:
            session.add(a_sync(self.id, self.stage.now, owner="sync", fence=0))
            lease.make_due(session, self.id, JobKind.TAGGING, self.stage.now)

    @rule()
    def complete_sync(self) -> None:
        """Those that the UEM does not know are missing."""
        mine = select(Device.external_id).where(
            Device.integration_id == self.id, Device.missing_since.is_(None)
        )
        ids = [id_ for id_ in db.session.scalars(mine) if id_]
        release()
        for device in set(ids) - self.uem.enrolled:
            self.set_device(device, missing_since=self.stage.now.replace(tzinfo=None), absent_from=1)

    # --- the administrators ---

    @rule(tag=PICK, pick=PICK, put=st.booleans(), stranger=st.booleans())
    def meddle(self, tag: int, pick: int, put: bool, stranger: bool) -> None:
        device = STRANGERS[pick % 2] if stranger else self.device(pick)
        if device not in self.uem.enrolled:
            return
        held, self.hands = self.held(tag), self.hands + 1
        (held.devices.add if put else held.devices.discard)(device)
        if held.id in self.foreign:
            (self.foreign[held.id].add if put else self.foreign[held.id].discard)(device)
        if stranger:
            told = self.strangers.setdefault(held.id, set())
            (told.add if put else told.discard)(device)

    @rule(tag=PICK, rename=st.booleans())
    def take_a_tag_away(self, tag: int, rename: bool) -> None:
        held, self.hands = self.held(tag), self.hands + 1
        if rename:
            held.name = f"By hand {self.hands}"
        elif len(self.uem.held) > 1:
            del self.uem.held[held.id]
            self.foreign.pop(held.id, None)
            self.strangers.pop(held.id, None)

    @rule(pick=PICK, key=st.sampled_from([*needed_keys(Tagging(tag_no_risk=True), ["ROOTED"]), "other"]))
    def make_a_tag(self, pick: int, key: str) -> None:
        """By hand, one of a name that we may come to need; not while we are about to make it ourselves."""
        asking = [row.key for row in self.rows() if row.organization_group_id and not row.external_id]
        name = f"Other {pick}" if key == "other" else name_of(key, self.tagging())
        if key not in asking and all(tag.name != name for tag in self.uem.held.values()):
            carriers = [one for one in (self.device(pick),) if one in self.uem.enrolled]
            self.by_hand.add(self.uem.make(name, *carriers).id)

    @rule(switch=st.sampled_from(SWITCHES), take_off=st.booleans())
    def switch(self, switch: str, take_off: bool) -> None:
        before = self.tagging()
        after = fleet.settings(self.id, **{switch: not getattr(before, switch)})
        if take_off:
            self.hands += 1
            fleet.take_off(self.id, before, after, self.stage.now)

    @rule(prefix=st.sampled_from(["CHKP_", "X_", "Y_"]))
    def rename(self, prefix: str) -> None:
        self.hands += 1
        fleet.settings(self.id, prefix=prefix)

    # --- the worker ---

    @rule(whole=st.booleans(), after=st.integers(1, 14), surprise=st.sampled_from(["", "", *SURPRISES]))
    def tag(self, whole: bool, after: int, surprise: str) -> None:
        if self.dead:
            self.stage.wait(timedelta(minutes=2))
            assert recovery.reap(self.stage.now) == 1
            self.dead = False
        self.fuse, self.surprise, self.stop = (after if surprise else -1), surprise, False
        assert lease.request(self.id, JobKind.TAGGING, "kim", self.stage.now, whole=whole)
        try:
            tagging_job.tag(self.id, lambda: self.stop, lambda *_: self.uem)
        except Died:
            self.dead = True
            db.session.remove()
        assert not self.erred(), "a run met an error of its own"
        self.stage.fuse, self.stage.died, self.fuse = None, False, -1
        self.stage.wait(timedelta(minutes=5))

    @rule(
        lies=st.sets(st.sampled_from(sorted(LIES)), min_size=1, max_size=2),
        whole=st.booleans(),
        left=st.integers(1, 6),
    )
    def tag_with_lies(self, lies: set[str], whole: bool, left: int) -> None:
        """One or two calls answer wrongly for a while; a person pushes tags meanwhile."""
        chosen, told = [LIES[name] for name in sorted(lies)], [left]

        def lie(what: str, about: str, answer: Any) -> Any:
            made = next((make for call, make in chosen if call == what), None)
            if made is None or not told[0] or (what != "tags" and about in self.foreign):
                return answer
            told[0] -= 1
            return made(answer)

        self.uem.lie, before = lie, self.linked_ids()
        self.hands += 1
        self.tag(whole=whole, after=0, surprise="")
        self.uem.lie = lambda _what, _about, answer: answer
        assert before <= self.linked_ids() | {None}, "a tag was forgotten on the word of a liar"

    def linked_ids(self) -> set[str | None]:
        """The ids of our tags that are there: in use, or remembered."""
        rows = self.rows()
        known = {row.external_id for row in rows} | {row.former_id for row in rows}
        return known & self.uem.held.keys()

    @staticmethod
    def erred() -> bool:
        """Whether a run ended with an error that nobody foresaw."""
        own = select(JobRun.id).where(JobRun.reason == UNEXPECTED)
        found = db.session.scalar(own) is not None
        release()
        return found

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.stage.wait(hours * HOUR)

    def before_call(self, what: str, about: str, devices: Sequence[str]) -> None:
        """Pushes come from threads of their own."""
        self.fuse -= 1
        with self.app.app_context():
            if self.fuse == 0 and self.surprise not in {"lost answer", "die"}:
                self.happens(devices)
            if what == "remove" and not self.hands:
                self.has_another_status(about, devices)

    def after_call(self, *_: object) -> None:
        if self.fuse <= 0 and self.surprise in {"lost answer", "die"}:
            surprise, self.surprise = self.surprise, ""
            if surprise == "lost answer":
                raise ConnectionLost("The answer was lost.")
            self.stage.fuse = 1

    def happens(self, devices: Sequence[str]) -> None:
        happenings: dict[str, Callable[[], object]] = {
            "429": lambda: self.fail(RateLimited("No more calls.", self.stage.now + HOUR)),
            "503": lambda: self.fail(ServerFailed("Down.")),
            "stop": lambda: setattr(self, "stop", True),
            "untag": lambda: self.meddle(len(devices), 0, put=False, stranger=False),
            "tag": lambda: self.meddle(len(devices) + 1, 1, put=True, stranger=False),
            "delete tag": lambda: self.take_a_tag_away(len(devices), rename=False),
            "unenrol": lambda: self.unenrol(len(devices)),
        }
        happenings[self.surprise]()

    @staticmethod
    def fail(error: Exception) -> None:
        raise error

    def has_another_status(self, about: str, devices: Sequence[str]) -> None:
        """Whoever loses a status tag carries another one by then, unless it was deleted."""
        if "_Status_" not in self.uem.held[about].name:
            return
        gone = select(Device.external_id).where(Device.deleted_at.is_not(None))
        deleted = set(db.session.scalars(gone))
        release()
        for device in set(devices) & self.uem.held[about].devices - deleted:
            others = [name for name in self.uem.carried(device) if "_Status_" in name]
            assert len(others) > 1, f"{device} would be without a status"

    # --- what must be true ---

    @invariant()
    def nothing_but_ours_is_touched(self) -> None:
        """I8: foreign tags, and devices that are not ours, are as the administrators left them."""
        ours, adopted = self.ours(), self.tagging().adopted
        taken = [row.name for row in self.rows() if row.external_id in self.by_hand]
        assert set(taken) <= set(adopted), "I8: a tag was taken that nobody gave us"
        for id_, tag in self.uem.held.items():
            if id_ in ours:
                self.foreign.pop(id_, None)
            else:
                left = self.foreign.setdefault(id_, set(tag.devices))
                assert tag.devices == left, f"I8: {tag.name} was touched"
            there = tag.devices & set(STRANGERS)
            assert there == self.strangers.setdefault(id_, there), f"I8: {tag.name} on a stranger"

    def settle(self) -> None:
        """Nobody meddles any more: after a few beats the UEM is as it should be."""
        self.tag(whole=True, after=0, surprise="")
        fleet.settings(self.id, adopted=tuple(tag.name for tag in self.uem.held.values()))
        for _ in range(3):
            self.complete_sync()
            self.stage.wait(25 * HOUR)
            self.tag(whole=True, after=0, surprise="")
        self.nothing_but_ours_is_touched()
        self.as_it_should_be()

    def as_it_should_be(self) -> None:
        switches, wanted = self.tagging(), self.wanted()
        rows = {row.key: row for row in self.rows()}
        mine = {device.external_id for device in db.session.scalars(select(Device)) if device.external_id}
        open_links = db.session.scalars(select(TagLink.state).where(TagLink.state.in_(("pending", "failed"))))
        assert not open_links.all()
        release()
        assert not [row.key for row in rows.values() if row.retired_at is not None]
        for key in {*needed_keys(switches), *wanted}:
            row = rows[key]
            assert (row.name, row.problem) == (name_of(key, switches), ""), key
            carriers = self.uem.held[row.external_id or ""].devices & mine
            assert carriers == wanted.get(key, set()), key

    def wanted(self) -> dict[str, set[str]]:
        """Who should carry what, device by device."""
        switches, found = self.tagging(), dict[str, set[str]]()
        for device, status, risk, codes in fleet.standings(self.id):
            if device not in self.uem.enrolled:
                continue
            keys = [f"status:{status}", f"risk:{['none', 'low', 'medium', 'high'][risk]}"]
            for key in [*keys, *(f"factor:{code}" for code in codes)]:
                if is_managed(key, switches):
                    found.setdefault(key, set()).add(device)
        return found
