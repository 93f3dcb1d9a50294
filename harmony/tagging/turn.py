"""One turn of tagging: work out what is wanted, find the tags, look who carries them, push the difference."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from harmony.clock import now
from harmony.db import write
from harmony.history import SCHEDULE
from harmony.models import UemTag
from harmony.sync.outcome import Outcome
from harmony.tagging import ends, ours, outbox
from harmony.tagging.delivery import Delivery
from harmony.tagging.desire import refresh_all, refresh_changed
from harmony.tagging.desired import Desire
from harmony.tagging.finding import Finder
from harmony.tagging.home import home, home_now
from harmony.tagging.observe import observe
from harmony.tagging.ours import OurTag, tags_of
from harmony.tagging.work import Work
from harmony.uem.client import UemClient
from harmony.uem.errors import NotFound, TooLarge

# What is read again is a little more than what changed since: it was written after its time was told.
OVERLAP = timedelta(minutes=2)
# A tag that goes while we push is made anew in the same run, but not for ever.
LOOKS = 3


class Turn:
    """What one run does, with a client that is open for it."""

    def __init__(self, work: Work, client: UemClient) -> None:
        self._work = work
        self._client = client
        self._finder = Finder(work.id, work.tagging, client, home(work.id), work.beat)

    def take(self) -> Outcome:
        """Bring the UEM to what is wanted. Raises UemError, LeaseLost or Stopped; what is written stays."""
        self._work.step = "Working out the tags"
        with self._finder.looking(whole=self._work.held.whole):
            self._refresh(self._work.since)
        if self._work.held.by != SCHEDULE:
            self._hurry()
        for look in range(LOOKS):
            self._find(whole=self._work.held.whole and look == 0)
            self._read_back(whole=self._work.held.whole and look == 0)
            self._deliver()
            if not any(tag.external_id is None and not tag.problem for tag in self._needed()):
                break
        self._end_retirements()
        return self._ended()

    def _refresh(self, since: datetime | None) -> None:
        desire = Desire(self._work.id, self._work.tagging, ours.retired(tags_of(self._work.id)))
        if since is None:
            refresh_all(desire, now(), self._work.beat)
        else:
            refresh_changed(desire, since, now(), self._work.beat)

    def _hurry(self) -> None:
        """What was declined waits for its time, but not when somebody asks for a push."""
        hurried = 1
        while hurried:
            with write() as session:
                self._work.beat(session)
                hurried = outbox.hurry(session, self._work.id)

    def _find(self, *, whole: bool) -> None:
        self._work.step = "Finding the tags in the UEM"
        needed = ours.needed(self._work.id, self._work.tagging)
        if ours.prepare(self._work.id, self._work.tagging, now(), self._work.beat):
            self._refresh(None)
        if self._finder.group is None and any(tag.external_id is None for tag in self._needed()):
            self._finder.group = home_now(self._client)
        self._finder.find(needed, now(), whole=whole)
        self._work.counts.made = self._finder.made
        self._work.heard(self._client)

    def _needed(self) -> list[OurTag]:
        needed = ours.needed(self._work.id, self._work.tagging)
        return [tag for tag in tags_of(self._work.id) if tag.key in needed]

    def _read_back(self, *, whole: bool) -> None:
        """Look who carries the tags that nobody has looked at for a day, and with `whole` at all of them."""
        needed = ours.needed(self._work.id, self._work.tagging)
        for tag in tags_of(self._work.id):
            # Nobody carries what was made a moment ago.
            fresh = tag.checked_at is not None and tag.checked_at >= self._work.began
            ask = tag.is_due(now()) or (whole and not fresh)
            if ask and tag.external_id is not None and (tag.key in needed or tag.retired_at is not None):
                self._work.step = f"Reading who carries {tag.name}"
                self._work.go_on()
                self._look(tag, tag.external_id)

    def _look(self, tag: OurTag, external_id: str) -> None:
        moment = now()
        try:
            carriers = self._client.tagged_devices(external_id)
        except NotFound:
            self._finder.lost(tag.key, moment)
            return
        except TooLarge:  # the API has no pages here; what we pushed is all we can know of this tag
            carriers = None
        if carriers is not None:
            found = observe(self._work.id, tag.key, carriers, moment, self._work.beat)
            # What was never looked at, or is being taken off, is no drift.
            if tag.checked_at is not None and tag.retired_at is None:
                self._work.counts.repaired += found
        self._mark(tag.key, checked_at=moment)
        self._work.heard(self._client)

    def _deliver(self) -> None:
        delivery = Delivery(self._work, self._client)
        while True:
            began = now()
            self._work.step = "Pushing tags"
            lost = delivery.deliver()
            for key in lost:
                self._finder.lost(key, now())
            if not delivery.late:
                return
            # Who became High meanwhile goes first.
            self._refresh(began - OVERLAP)

    def _end_retirements(self) -> None:
        """A tag that is off every device is only remembered as ours."""
        for tag in tags_of(self._work.id):
            off = tag.checked_at is not None and not outbox.left(self._work.id, tag.key)
            if tag.retired_at is not None and (off or tag.external_id is None):
                self._mark(tag.key, retired_at=None)

    def _mark(self, key: str, **values: datetime | None) -> None:
        mine = (UemTag.integration_id == self._work.id, UemTag.key == key)
        with write() as session:
            self._work.beat(session)
            session.execute(update(UemTag).where(*mine).values(**values))

    def _ended(self) -> Outcome:
        """How it stands now, and when to look again though nothing changes."""
        work, tags = self._work, tags_of(self._work.id)
        work.counts.waiting = outbox.waiting(work.id)
        work.counts.failed, again = outbox.failed(work.id)
        looks = [tag.checked_at and tag.checked_at + ours.CHECK_EVERY for tag in tags if tag.is_used]
        work.next_at = ends.next_due([*looks, again], now())
        return ends.of_push(work.counts, [tag.name for tag in self._needed() if tag.problem])
