"""One turn of tagging: work out what is wanted, find the tags, look who carries them, push the difference."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from harmony.audit import SCHEDULE
from harmony.clock import now
from harmony.db import write
from harmony.jobs.outcome import Outcome
from harmony.models import UemTag
from harmony.tagging import managed_tags, outbox
from harmony.tagging import outcome as tagging_outcome
from harmony.tagging.bulk_calls import Delivery
from harmony.tagging.carriers import look
from harmony.tagging.desired_state import Desire
from harmony.tagging.evidence import look_again_after
from harmony.tagging.links import refresh_all, refresh_changed
from harmony.tagging.managed_tags import OurTag, tags_of
from harmony.tagging.read_back import observe
from harmony.tagging.resolve_tags import Finder
from harmony.tagging.root_group import current_root_group, known_root_group
from harmony.tagging.run_context import RunContext
from harmony.uem.client import UemClient
from harmony.uem.errors import NotFound, TooLarge

# What is read again is a little more than what changed since: it was written after its time was told.
OVERLAP = timedelta(minutes=2)
# A tag that goes while we push is made anew in the same run, but not for ever.
_LOOKS = 3


class TaggingRun:
    """One tagging run, with a client that is open for it."""

    def __init__(self, work: RunContext, client: UemClient) -> None:
        self._work = work
        self._client = client
        self._finder = Finder(work.id, work.tagging, client, known_root_group(work.id), work.renew_lease)

    def take(self) -> Outcome:
        """Bring the UEM to the desired state; what is written stays.

        Raises UemError, LeaseLost or Interrupted.
        """
        self._work.step = "Working out the tags"
        with self._finder.looking(whole=self._work.lease.whole):
            self._refresh(self._work.since)
        if self._work.lease.by != SCHEDULE:
            self._hurry()
        for time in range(_LOOKS):
            whole = self._work.lease.whole and time == 0
            self._find(whole=whole, again=time > 0)
            self._read_back(whole=whole)
            self._deliver()
            if not any(self._may_be_found(tag) for tag in self._needed()):
                break
        self._end_retirements()
        self._settle_doubts()
        return self._ended()

    def _refresh(self, since: datetime | None) -> None:
        desire = Desire(self._work.id, self._work.tagging, managed_tags.retired(tags_of(self._work.id)))
        if since is None:
            refresh_all(desire, now(), self._work.renew_lease)
        else:
            refresh_changed(desire, since, now(), self._work.renew_lease)

    def _hurry(self) -> None:
        """What was declined waits for its time, but not when somebody asks for a push."""
        hurried = 1
        while hurried:
            with write(self._work.id) as session:
                self._work.renew_lease(session)
                hurried = outbox.hurry(session, self._work.id)

    def _find(self, *, whole: bool, again: bool) -> None:
        self._work.step = "Finding the tags in the UEM"
        needed = managed_tags.needed(self._work.id, self._work.tagging)
        if managed_tags.prepare(self._work.id, self._work.tagging, now(), self._work.renew_lease):
            self._refresh(None)
        if self._finder.group is None and any(tag.external_id is None for tag in self._needed()):
            self._finder.group = current_root_group(self._client)
        self._finder.find(needed, now(), whole=whole, again=again)
        self._work.counts.made = self._finder.made
        self._work.note_usage(self._client)

    def _needed(self) -> list[OurTag]:
        needed = managed_tags.needed(self._work.id, self._work.tagging)
        return [tag for tag in tags_of(self._work.id) if tag.key in needed]

    def _may_be_found(self, tag: OurTag) -> bool:
        unknown = tag.external_id is None and not tag.problem
        return unknown and tag.key not in self._finder.prover.unconfirmed

    def _read_back(self, *, whole: bool) -> None:
        """Look who carries the tags that nobody has looked at for a day, and with `whole` all of them."""
        missing: list[str] = []
        for tag in tags_of(self._work.id):
            # Nobody carries what was made a moment ago, and what was read in this run is known.
            fresh = tag.checked_at is not None and self._work.began <= tag.checked_at <= now()
            ask = (tag.is_due(now()) or whole) and not fresh and tag.proven
            if ask and tag.external_id is not None and tag.is_read_back(self._work.tagging):
                self._work.step = f"Reading who carries {tag.name}"
                self._work.go_on()
                missing += [] if self._look(tag, tag.external_id) else [tag.key]
        self._finder.missing(missing, now())

    def _look(self, tag: OurTag, external_id: str) -> bool:
        """Read who carries the tag; False when the UEM does not know its id."""
        began = now()
        try:
            found = look(self._work, self._client, tag.key, external_id)
        except NotFound:
            return False
        except TooLarge:  # the API has no pages here; what we pushed is all we can know of this tag
            found = None
        if found is not None:
            partial = not found.is_complete
            otherwise = observe(
                self._work.id, tag.key, found.ids, began, self._work.renew_lease, partial=partial
            )
            # What was never looked at, or must be on no device, is no drift.
            if tag.checked_at is not None and tag.retired_at is None and not tag.kept_off:
                self._work.counts.repaired += otherwise
        self._mark(tag.key, checked_at=began)
        self._work.note_usage(self._client)
        return True

    def _deliver(self) -> None:
        delivery = Delivery(self._work, self._client, lambda: self._finder.prover.disputed)
        while True:
            began = now()
            self._work.step = "Pushing tags"
            lost = delivery.deliver()
            self._finder.missing(lost, now())
            if not delivery.late:
                return
            # Who became High meanwhile goes first.
            self._refresh(began - OVERLAP)

    def _settle_doubts(self) -> None:
        """Tell what was odd, and note since when a tag has been in doubt; what is clear again is not."""
        work, prover, tags = self._work, self._finder.prover, tags_of(self._work.id)
        names = {tag.key: tag.name for tag in tags}
        disputed = sorted(names[key] for key in prover.disputed & names.keys())
        unclear = sorted(names[key] for key in (prover.doubtful - prover.disputed) & names.keys())
        work.doubts += self._finder.uncertain()
        work.doubts += [tagging_outcome.disputed(disputed)] if disputed else []
        work.doubts += [tagging_outcome.doubtful(unclear)] if unclear else []
        work.doubts += [tagging_outcome.contradicted(prover.contradictions)] if prover.contradictions else []
        work.doubtful |= prover.doubtful | prover.unconfirmed
        for tag in tags:
            # A doubt from a time when the clock was ahead begins anew.
            since = tag.doubted_at if tag.doubted_at and tag.doubted_at <= now() else None
            since = (since or now()) if tag.key in work.doubtful else None
            if since != tag.doubted_at:
                self._mark(tag.key, doubted_at=since)

    def _end_retirements(self) -> None:
        """A tag that is off every device is only remembered as ours."""
        for tag in tags_of(self._work.id):
            off = tag.checked_at is not None and not outbox.left(self._work.id, tag.key)
            if tag.retired_at is not None and (off or tag.external_id is None):
                self._mark(tag.key, retired_at=None)

    def _mark(self, key: str, **values: datetime | None) -> None:
        conditions = (UemTag.integration_id == self._work.id, UemTag.key == key)
        with write() as session:
            self._work.renew_lease(session)
            session.execute(update(UemTag).where(*conditions).values(**values))

    def _ended(self) -> Outcome:
        """How it stands now, and when to look again though nothing changes."""
        work, tags = self._work, tags_of(self._work.id)
        work.counts.waiting = outbox.waiting(work.id)
        work.counts.failed, again = outbox.failed(work.id)
        looks = [tag.checked_at and tag.checked_at + managed_tags.CHECK_EVERY for tag in tags if tag.is_used]
        looks += [now() + look_again_after(tag.doubted_at, now()) for tag in tags if tag.doubted_at]
        work.next_at = tagging_outcome.next_due([*looks, again], now())
        problems = [tag.name for tag in self._needed() if tag.problem]
        return tagging_outcome.of_push(work.counts, problems, work.declined, work.doubts)
