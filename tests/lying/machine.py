"""The rules: the UEM lies in a run, people and devices do what they do, and at the end it tells the truth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import current_app
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from harmony.apps.job import sync_apps
from harmony.db import db, release, write
from harmony.device_ids import udid_key
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, KnownGroup, SyncRunState, UemTag
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.protection.risk import APPLE
from harmony.simulator import changes
from harmony.simulator.context import Tenant
from harmony.simulator.records import device_of
from harmony.simulator.world import World
from harmony.sync import job as sync_job
from harmony.sync.deletion import holds
from harmony.tagging import job as tagging
from harmony.tagging.names import is_managed, name_of
from tests.builders import NOON, a_choice, an_integration
from tests.invariants import quick_invariants, what_is_known
from tests.lying import judge
from tests.lying.lies import APPS, LIES, Lie
from tests.lying.wire import Wire
from tests.stored import last_sync
from tests.sync.model.stage import Stage, integration
from tests.tagging import fleet

PICK, RISK = st.integers(0, 11), st.integers(0, 3)
FEWEST = 5
DAY = timedelta(hours=26)
JOBS = st.lists(st.sampled_from(["sync", "sync", "tags", "apps", "tags"]), min_size=1, max_size=3)
SWITCHES = st.fixed_dictionaries(
    {
        "tags_search_empty": st.sampled_from(["200", "204"]),
        "tag_devices_empty": st.sampled_from(["200", "204"]),
        "bulk_again": st.sampled_from(["fault", "accepted"]),
        "bulk_again_code": st.sampled_from(["400", "404", "none"]),
        "bulk_all_again": st.sampled_from(["200", "404"]),
        "bulk_all_fail": st.sampled_from(["404", "200"]),
        "device_apps_types": st.sampled_from(["int", "string"]),
        "device_apps_empty": st.sampled_from(["204", "absent"]),
    }
)
SCOPES: dict[str, Callable[[World], list[str]]] = {
    "everything": lambda world: [str(group) for group in world.groups],
    "two branches": lambda _: ["571", "572", "573", "574", "575", "576", "577"],
    "a smart group": lambda _: ["smart:4213@570"],
    "few devices": lambda _: ["smart:4212@570"],
    "both": lambda _: ["571", "572", "smart:4212@570"],
}


class Machine(RuleBasedStateMachine):
    """One integration and its UEM. `known` are the devices that some honest sync has listed."""

    def __init__(self, stage: Stage, wire: Wire) -> None:
        super().__init__()
        self.stage, self.wire = stage, wire
        self.app = current_app._get_current_object()  # type: ignore[attr-defined]  # threads outlive the proxy
        stage.begin()

    def teardown(self) -> None:
        if self.wire.tenant is not None:
            self.converge()
        self.wire.tenant = None
        self.stage.leave()

    @initialize(
        devices=st.integers(8, 20),
        seed=st.integers(1, 9),
        scope=st.sampled_from(sorted(SCOPES)),
        after=st.sampled_from([1, 2]),
        tagged=st.booleans(),
        switches=SWITCHES,
    )
    def a_fleet(  # noqa: PLR0917 - what may differ at the start
        self, devices: int, seed: int, scope: str, after: int, tagged: bool, switches: dict[str, str]
    ) -> None:
        """Learn the truth once; unless `tagged`, the tags are made while the UEM lies."""
        self.world = World(devices, seed, quirks=False, epoch=NOON)
        self.wire.tenant = self.tenant = Tenant(self.world)
        for name, position in switches.items():
            self.tenant.switches.set(name, position)
        self.groups = SCOPES[scope](self.world)
        # Nothing but the reading itself stands between a wrong answer and a deletion.
        self.id = an_integration(a_choice(*self.groups, deletion_after=after, deletion_threshold=100))
        with write() as session:
            top = {"kind": "organization", "external_id": "570", "name": "Acme", "type": "Customer"}
            session.add(KnownGroup(integration_id=self.id, **top))
        fleet.settings(self.id)
        self.known: set[int] = set()
        self.before = what_is_known()
        self.foreign = judge.foreign_tags(self.world)
        self.work(["sync", "tags", "apps"] if tagged else ["sync", "apps"])
        self.learn()
        assert self.said().startswith("sync: ok, 0 missing, 0 deleted, 0 skipped"), self.said()

    # --- the truth ---

    def in_scope(self) -> set[int]:
        """The devices that the chosen groups really have."""
        chosen = {int(group) for group in self.groups if group.isdecimal()}
        found = {ident for ident, device in self.world.devices.items() if device.group in chosen}
        for group in self.groups:
            if group.startswith("smart:"):
                found |= set(self.world.members(int(group.removeprefix("smart:").partition("@")[0])))
        return found

    def learn(self) -> None:
        """Whom the database has now, rightly, must never be lost."""
        there = {row.external_id for row in judge.stored(self.id) if not row.deleted}
        self.known = {ident for ident in self.in_scope() if str(ident) in there}

    # --- the world goes on ---

    @rule(what=st.sampled_from(["enrol", "unenrol", "install", "protect", "wait"]), pick=PICK, risk=RISK)
    def go_on(self, what: str, pick: int, risk: int) -> None:
        """Something happens in the world, and the UEM knows."""
        ids = sorted(self.world.devices)
        happenings: dict[str, Callable[[], object]] = {
            "enrol": lambda: changes.add(self.world, 1, sorted(self.world.groups)[pick]),
            "unenrol": lambda: self.unenrol(ids[pick % len(ids)]),
            "install": lambda: self.install(ids[pick % len(ids)], pick),
            "protect": lambda: self.protect(pick, risk),
            "wait": lambda: self.stage.wait(timedelta(hours=2 * pick)),
        }
        happenings[what]()

    def unenrol(self, ident: int) -> None:
        if len(self.world.devices) > FEWEST:
            changes.remove(self.world, [ident])
            self.foreign = judge.foreign_tags(self.world)
            self.known.discard(ident)

    def install(self, ident: int, number: int) -> None:
        app = (f"App {number}", "1.0")
        changes.put_app(self.world, [ident], f"org.test.{number}", app, self.stage.now)

    def protect(self, pick: int, risk: int) -> None:
        """A Protect app reports; of whom a lie made two, nobody is meant."""
        live = (
            Device.integration_id == self.id,
            Device.deleted_at.is_(None),
            Device.external_id.is_not(None),
        )
        ids = list(db.session.scalars(select(Device.external_id).where(*live).order_by(Device.id)))
        release()
        if ids and ids.count(ids[pick % len(ids)]) == 1:
            status = ("active", "inactive")[pick % 2]
            fleet.protect(self.id, str(ids[pick % len(ids)]), status, risk, at=self.stage.now)

    def move(self, by: int) -> None:
        """Server Details lead to another UEM, which has the same devices under the ids of others."""
        former = sorted(self.world.devices)
        renumber(self.world, dict(zip(former, former[by:] + former[:by], strict=True)))
        self.foreign = judge.foreign_tags(self.world)
        with write() as session:
            control.await_sync(session, self.id, self.stage.now)
        self.known, self.before = set(), what_is_known()

    # --- the worker ---

    @rule(lies=LIES, jobs=JOBS)
    def lie(self, lies: list[Lie], jobs: list[str]) -> None:
        for lie in lies:
            lie.tell(self.tenant.faults)
        self.work(jobs, honest_about_apps=not any(lie.path == APPS and unprovable(lie) for lie in lies))
        self.tenant.faults.clear()

    @rule()
    def tell_the_truth(self) -> None:
        self.work(["sync", "tags", "apps"])
        self.learn()

    def work(self, jobs: list[str], *, honest_about_apps: bool = True) -> None:
        for job in jobs:
            {"sync": self.sync, "tags": self.tag, "apps": lambda: self.read_apps(honest_about_apps)}[job]()
            self.stage.wait(timedelta(minutes=20))

    def sync(self) -> None:
        before, self.wire.listed = judge.stored(self.id), []
        assert lease.request(self.id, JobKind.DEVICES, "kim", self.stage.now)
        sync_job.sync(self.id, opener=self.wire.opener(self.stage))
        after = judge.stored(self.id)
        note(self.said())
        judge.nobody_named_is_newly_missing(self.world, self.in_scope(), self.wire.listed, before, after)

    def said(self) -> str:
        """How the last sync ended."""
        row = last_sync(self.id)
        counts = (
            f"{row.count('missing')} missing, {row.count('deleted')} deleted, {row.count('skipped')} skipped"
        )
        text = f"sync: {row.state}, {counts}. {row.reason}"
        release()
        return text

    def tag(self) -> None:
        if lease.request(self.id, JobKind.TAGGING, "kim", self.stage.now, whole=True):
            tagging.tag(self.id, opener=self.wire.opener(self.stage))

    def read_apps(self, honest: bool) -> None:
        before = judge.installed(self.id)
        if lease.request(self.id, JobKind.APPS, "kim", self.stage.now):
            sync_apps(self.id, opener=self.wire.opener(self.stage))
        if honest:
            judge.no_app_is_lost(self.world, before, judge.installed(self.id))

    # --- what must be true ---

    @invariant()
    def nothing_is_lost(self) -> None:
        judge.nobody_real_is_deleted(self.world, self.known, judge.stored(self.id))
        assert judge.foreign_tags(self.world) == self.foreign, "a tag that is not ours was touched"
        judge.no_tag_of_ours_is_forgotten(self.world, self.id)
        judge.every_run_ended_in_words()
        assert self.tenant.meter.traps == 0
        quick_invariants(self.before)
        self.before = what_is_known()

    def converge(self) -> None:
        """After three honest days the database is what the UEM has, and the tags are what they should be."""
        self.tenant.faults.clear()
        for _ in range(3):
            self.stage.wait(DAY)
            changes.touch(self.world, None, self.stage.now)
            self.work(["sync"])
            self.approve()
            self.nothing_is_lost()
        self.adopt()
        self.work(["tags", "apps"])
        self.stage.wait(DAY)
        self.work(["sync", "tags", "apps"])
        self.devices_are_true()
        self.apps_are_true()
        self.tags_are_true()

    def approve(self) -> None:
        """Somebody looks at the list that waits, and finds nobody on it whom the UEM has."""
        hold = holds.open_hold(self.id)
        if hold is not None:
            shown = holds.listing(db.session(), holds.listed(hold))
            assert holds.approve(hold.id, shown.digest, shown.devices, "kim", self.stage.now)
            self.sync()
        release()

    def adopt(self) -> None:
        """Somebody sees the tags that are said to be there, and gives them to us: making them was denied."""
        mine = select(UemTag.name).where(UemTag.integration_id == self.id, UemTag.problem != "")
        names = tuple(db.session.scalars(mine))
        release()
        fleet.settings(self.id, adopted=names)

    def devices_are_true(self) -> None:
        newest = last_sync(self.id)
        assert newest.state == SyncRunState.OK, newest.reason
        rows = [row for row in judge.stored(self.id) if not row.deleted]
        found = {(row.external_id, row.udid, row.name, row.group, row.missing) for row in rows}
        wanted = set()
        for ident in self.in_scope():
            body, group = self.world.devices[ident].json(), str(self.world.devices[ident].group)
            wanted.add((str(ident), udid_key(body["Udid"]), body["DeviceFriendlyName"], group, False))
        assert found == wanted
        assert len(rows) == len(wanted)

    def apps_are_true(self) -> None:
        found = {key[0]: apps for key, apps in judge.installed(self.id).items()}
        for ident in self.in_scope():
            if self.world.devices[ident].platform == APPLE:
                assert found[str(ident)] == judge.really_installed(self.world, ident), ident

    def tags_are_true(self) -> None:
        page = integration(self.id).page(TAGGING)
        switches = from_row(Tagging, page.applied if page else None)
        wanted: dict[str, set[int]] = {}
        for external_id, status, risk, codes in fleet.standings(self.id):
            keys = [f"status:{status}", f"risk:{['none', 'low', 'medium', 'high'][risk]}"]
            for key in [*keys, *(f"factor:{code}" for code in codes)]:
                if is_managed(key, switches):
                    wanted.setdefault(name_of(key, switches), set()).add(int(external_id))
        # A device outside the choice that was said to be in it may keep what it got then.
        mine = self.in_scope()
        found = {tag.name: mine & tag.devices.keys() for tag in self.world.tags.values()}
        assert {name: ids for name, ids in found.items() if ids and name.startswith("CHKP_")} == wanted


def renumber(world: World, ids: dict[int, int]) -> None:
    """Give every device another id and UUID, as in a UEM of their own; nobody has made tags there."""
    devices = sorted(world.devices.values(), key=lambda device: ids[device.id])
    world.devices.clear()
    world.by_uuid.clear()
    for device in devices:
        ident, uuid = ids[device.id], f"{ids[device.id]:08x}-0000-4000-8000-000000000000"
        body = device.json() | {"Id": {"Value": ident}, "Uuid": uuid}
        world.devices[ident] = device_of(ident, device.group, body)
        world.by_uuid[uuid] = ident
    for tag_id in [tag_id for tag_id in world.tags if tag_id >= changes.FIRST_NEW_TAG]:
        del world.tags[tag_id]
    world.changed()


def unprovable(lie: Lie) -> bool:
    """What may be true of the apps of a device: that it has none, or these."""
    return lie.kind in {
        "no_content",
        "empty_list",
        "swapped_field",
        "shared_field",
        "set_field",
        "ghost_rows",
    }
