"""The rules for the UEM and the worker: changes, snapshots, deltas, surprises while pages are read."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from harmony.db import db
from harmony.jobs import control, lease, recovery
from harmony.jobs.kinds import JobKind
from harmony.models import JobRun, SyncKind
from harmony.sync import job as sync_job
from harmony.sync import lifecycle
from harmony.uem.errors import RateLimited, ServerFailed, SignInRefused, UemError
from tests.builders import DEVICE
from tests.invariants import check_invariants, repeating_changes_nothing, what_is_known
from tests.sync.model.changes import WHAT, change
from tests.sync.model.judge import agree, judge
from tests.sync.model.people import EDITS, HOUR, MINUTE, PICK, People
from tests.sync.model.run_evidence import hear
from tests.sync.model.stage import Died, in_force, integration, last_run
from tests.sync.model.uem import PARENTS, ModelUem

# The one that is chosen at first more often.
GROUPS = ["570", "570", "570", *PARENTS]
LIES: dict[str, Callable[[int, int], int | None]] = {
    "truth": lambda total, pull: total,
    "more": lambda total, pull: total + 1,
    "more, once": lambda total, pull: total + (pull == 0),
    "fewer": lambda total, pull: max(total - 1, 0),
    "none": lambda total, pull: None,
}
ERRORS: dict[str, Callable[[datetime], UemError]] = {
    "500": lambda later: ServerFailed("The server answered 500."),
    "429": lambda later: RateLimited("Too many calls.", later),
    "401": lambda later: SignInRefused("The UEM refused the credentials."),
}
IN_THE_WORLD = ["leave", "enrol", "repeat", "move", "damage", "repair"]
TO_THE_RUN = [*ERRORS, "pause", "cancel", "edit", "private", "stop", "die"]
SURPRISES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(IN_THE_WORLD * 3 + TO_THE_RUN), PICK), max_size=3
)
Change = tuple[str, int, str, int]
FEW = st.lists(st.tuples(st.sampled_from(WHAT), PICK, st.sampled_from(GROUPS), PICK), min_size=1, max_size=4)
NEVER_ENDS = 10**9


@dataclass
class Tour:
    """How the next run goes."""

    page_size: int
    lie: str
    slow: bool
    surprises: list[tuple[int, str, int]]
    fuse: int | None
    stop: bool = False


TOURS = st.builds(
    Tour,
    page_size=st.integers(1, 4),
    lie=st.sampled_from(["truth"] * 8 + list(LIES)),
    slow=st.booleans(),
    surprises=st.one_of(st.just([]), st.just([]), SURPRISES),
    fuse=st.one_of(*[st.none()] * 5, st.integers(1, 40)),
)


class Machine(People):
    """One integration, its UEM and its people, and the oracle that is compared after every rule."""

    def teardown(self) -> None:
        self.stage.leave()

    @initialize(
        inclusive=st.booleans(),
        groups=st.lists(st.sampled_from(GROUPS), min_size=5, max_size=10),
        after=st.sampled_from([1, 1, 2, 3]),
        threshold=st.sampled_from([20, 34, 50, 100]),
        known=st.sampled_from([True, True, False]),
    )
    def a_fleet(self, inclusive: bool, groups: list[str], after: int, threshold: int, known: bool) -> None:
        self.world.inclusive = inclusive
        self.edit(deletion_after=after, deletion_threshold=threshold)
        for group in groups:
            self.world.enrol(group)
        if known:
            self.sync_well(1, HOUR)

    def row(self, pick: int) -> str | None:
        ids = sorted(self.world.rows, key=int)
        return ids[pick % len(ids)] if ids else None

    @rule(changes=FEW)
    def change_the_uem(self, changes: list[Change]) -> None:
        for what, pick, group, more in changes:
            change(self.world, what, self.row(pick), group, self.row(more), self.stage.now)

    # --- the worker ---

    @precondition(lambda self: self.active)
    @rule(tour=TOURS)
    def sync(self, tour: Tour) -> None:
        self.recover()
        assert lease.request(self.id, JobKind.DEVICES, "kim", self.stage.now)
        self.run(tour, SyncKind.SNAPSHOT)

    @precondition(lambda self: self.active)
    @rule(changes=FEW, tour=TOURS)
    def change_and_sync(self, changes: list[Change], tour: Tour) -> None:
        self.change_the_uem(changes)
        self.sync(tour)

    @precondition(lambda self: self.active)
    @rule(changes=FEW, times=st.integers(1, 3), after=st.sampled_from([MINUTE, HOUR]))
    def change_and_sync_well(self, changes: list[Change], times: int, after: timedelta) -> None:
        self.change_the_uem(changes)
        self.sync_well(times, after)

    def sync_well(self, times: int, after: timedelta) -> None:
        for _ in range(times):
            self.sync(Tour(page_size=3, lie="truth", slow=False, surprises=[], fuse=None))
            self.stage.wait(after)
            self.agrees()

    @precondition(lambda self: self.active)
    @rule(tour=TOURS)
    def delta(self, tour: Tour) -> None:
        self.recover()
        mine = integration(self.id)
        job = mine.sync_job
        if job.refresh_at and (job.next_at is None or job.refresh_at < job.next_at):
            self.stage.now = max(self.stage.now, job.refresh_at)
            if job.next_at is None or self.stage.now < job.next_at:
                self.run(tour, SyncKind.DELTA)

    @precondition(lambda self: self.active and self.oracle.snapshots and not self.oracle.missing(NEVER_ENDS))
    @rule()
    def the_same_again(self) -> None:
        self.sync_well(1, HOUR)
        if not self.oracle.missing(NEVER_ENDS) and not self.world.unreadable:
            repeating_changes_nothing(lambda: self.sync_well(1, HOUR))

    def recover(self) -> None:
        """Nobody takes what a dead worker holds before its lease ends; then the tick frees it."""
        if self.dead:
            until = integration(self.id).sync_job.lease_until
            if until is not None and until > self.stage.now:
                assert lease.claim(self.id, JobKind.DEVICES, "another", self.stage.now) is None
            self.stage.wait(2 * MINUTE)
            recovery.reap(self.stage.now)
            self.dead = False

    def run(self, tour: Tour, kind: SyncKind) -> None:
        """Sync once, and ask the oracle what should have come of it."""
        choice, before = in_force(self.id), deepcopy(self.oracle)
        surprises: dict[int, list[Callable[[], None]]] = {}
        for page, what, pick in tour.surprises:
            surprises.setdefault(page, []).append(lambda w=what, p=pick: self.happens(w, p, uem, tour))
        takes = timedelta(seconds=1 if tour.slow else 0)
        uem = ModelUem(self.world, tour.page_size, LIES[tour.lie], surprises, takes, self.stage.wait)
        self.stage.fuse = tour.fuse
        claimed = db.session.query(JobRun).count()
        try:
            sync_job.sync(self.id, lambda: tour.stop, lambda *_: uem)
        except Died:
            self.dead = True
            db.session.remove()
        self.stage.fuse, self.stage.died = None, False
        if db.session.query(JobRun).count() > claimed:
            assert last_run(self.id).sync_kind == kind
            judge(self, hear(uem, choice), choice, kind, before)
        else:
            assert self.dead, "the sync did not begin"
        self.an_edit_counts_from_the_next_run_on()

    def happens(self, what: str, pick: int, uem: ModelUem, tour: Tour) -> None:
        """Whatever somebody else writes meanwhile does not count against the worker's life."""
        fuse, self.stage.fuse = self.stage.fuse, None
        self.surprise(what, pick, uem, tour)
        self.stage.fuse = fuse

    def surprise(self, what: str, pick: int, uem: ModelUem, tour: Tour) -> None:
        """Something happens before a page is read."""
        if what in ERRORS:
            raise ERRORS[what](self.stage.now + HOUR)
        surprises: dict[str, Callable[[], object]] = {
            "repeat": lambda: setattr(uem, "again", True),
            "stop": lambda: setattr(tour, "stop", True),
            "die": self.stage.die,
            "pause": lambda: lifecycle.pause(self.id, "kim", self.stage.now),
            "cancel": lambda: control.cancel(self.id, JobKind.DEVICES, "kim", self.stage.now),
            "edit": lambda: self.edit(groups=EDITS["groups"][pick]),
            "private": lambda: self.edit(import_name=False),
        }
        if what in surprises:
            surprises[what]()
        else:
            change(self.world, what, self.row(pick), GROUPS[pick % len(GROUPS)], None, self.stage.now)

    @invariant()
    def agrees(self) -> None:
        """The oracle, and the invariants of facts §2; I6 has a rule of its own, because it syncs."""
        agree(self)
        check_invariants(self.before, canaries=self.private(), dying=self.dead)
        self.before = what_is_known()

    def private(self) -> list[str]:
        """The personal data that the UEM tells and nobody wants: in no table, whatever it is there for."""
        choice = in_force(self.id)
        wanted = {
            DEVICE.name: choice.import_name,
            DEVICE.phone: choice.import_number,
            DEVICE.email: choice.import_email,
        }
        return [text for text, imported in wanted.items() if not imported]
