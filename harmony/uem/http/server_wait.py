"""The wait that a server asks for: no call leaves until it ends, or until the day's calls are renewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from harmony.uem.errors import RateLimited

LONGEST = timedelta(days=1)
# Two machines, or a process that was held up, may be this far apart; more is a clock that was set back.
SKEW = timedelta(minutes=1)
# Somebody may have raised the quota meanwhile: an older word that nothing is left is worth one call.
LOOK_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ServerWait:
    """A wait that `origin` asked for at `since`; `quota`: because its calls of the day are used up."""

    origin: str
    since: datetime
    until: datetime
    quota: bool = False

    def lasts(self, now: datetime) -> bool:
        """Tell if the wait is not over. One from the future tells of a clock that was set back; it is over.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
        >>> wait = ServerWait("https://uem.example", noon, noon + timedelta(minutes=4))
        >>> [wait.lasts(noon + timedelta(minutes=n)) for n in (-60, 0, 3, 4)]
        [False, True, True, False]
        """
        return self.since - SKEW <= now < min(self.until, self.since + LONGEST)

    def binds(self, now: datetime) -> bool:
        """Tell if no call may leave at all; a used-up quota is asked about again after a while."""
        return self.lasts(now) and (not self.quota or now - self.since <= LOOK_AGAIN)

    def seconds_left(self, now: datetime) -> float:
        """Return the rest of the wait, 0 when it is over."""
        return max(0.0, (self.until - now).total_seconds()) if self.lasts(now) else 0.0

    def sentence(self, now: datetime) -> str:
        """Say until when, for a page or the end of a run.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
        >>> ServerWait("https://uem.example", noon, noon + timedelta(minutes=4)).sentence(noon)
        'The UEM asked to wait until 12:04 UTC.'
        """
        form = "%H:%M UTC" if self.until.date() == now.date() else "%d %b %Y, %H:%M UTC"
        if self.quota:
            return f"The UEM's calls of the day are used up until {self.until:{form}}."
        return f"The UEM asked to wait until {self.until:{form}}."

    def refusal(self, now: datetime) -> RateLimited:
        """Return the error for a call that would not keep to it."""
        return RateLimited(self.sentence(now), self.until, asked=self.seconds_left(now))


def asked_for(origin: str, seconds: float, now: datetime, *, quota: bool = False) -> ServerWait:
    """Return the wait that a server asked for, at most a day."""
    return ServerWait(origin, now, now + min(timedelta(seconds=seconds), LONGEST), quota)
