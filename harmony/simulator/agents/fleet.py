"""Many simulated Protect apps at once: each calls when its turn is due, however slow the answers are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count

from harmony.clock import monotonic
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import Report, Standing
from harmony.simulator.agents.tally import Tally
from harmony.simulator.agents.wire import Line, Refused, Send, Unreachable

THREADS = 16
# No fleet calls more often than this, however many they are; the first round comes as quickly.
MOST_A_SECOND = 100.0
LONGEST_REST_SECONDS = 60.0
# Whoever is told one of these will not get in by trying again.
FINAL = frozenset(
    {
        "device_deleted",
        "already_registered",
        "code_unknown",
        "code_used",
        "code_expired",
        "code_void",
        "profile_differs",
    }
)

Tell = Callable[[Agent, float], Report]


@dataclass(frozen=True, slots=True)
class Pace:
    """`every`: seconds between two check-ins of a device. `seconds`: when to end; None never, 0 after one."""

    every: float = 60.0
    seconds: float | None = None

    def turns(self, places: Sequence[int], of: int) -> Iterator[tuple[float, int]]:
        """When each of these places of a fleet is due, in seconds after the beginning; fixed beforehand.

        >>> list(Pace(every=60, seconds=61).turns([0, 200], of=1000))
        [(0.0, 0), (2.0, 200), (60.0, 0)]
        """
        every = max(self.every, of / MOST_A_SECOND)
        for turn in count():
            for place in places:
                due = turn * every + place / MOST_A_SECOND
                if turn and self.seconds is not None and due > self.seconds:
                    return
                yield due, place


@dataclass(slots=True)
class Member:
    """An agent in a fleet: what it was told last, and whether it has given up."""

    agent: Agent
    risk: str = ""
    gone: bool = False


@dataclass(slots=True)
class Fleet:
    """Agents that report what `tell(agent, minute)` says; `run` ends with the pace or when `stop` is set."""

    url: str
    agents: Sequence[Agent]
    tell: Tell
    pace: Pace = field(default_factory=Pace)
    stop: threading.Event = field(default_factory=threading.Event)
    tally: Tally = field(default_factory=Tally)

    def run(self) -> Tally:
        """Everything they do, on a few threads with a connection each. Raises ValueError: no address."""
        began = monotonic()
        members = [Member(agent) for agent in self.agents]
        lines = [Line(self.url) for _ in range(min(THREADS, len(members)))]
        threads = [
            threading.Thread(target=self._work, args=(members, number, line, began), name=f"agents-{number}")
            for number, line in enumerate(lines)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.tally

    def _work(self, members: list[Member], number: int, line: Line, began: float) -> None:
        with closing(line):
            for due, place in self.pace.turns(range(number, len(members), THREADS), len(members)):
                if self.stop.wait(max(0.0, began + due - monotonic())):
                    return
                self.tally.late(monotonic() - began - due)
                if not members[place].gone:
                    self._turn(line.send, members[place], due / 60)

    def _turn(self, send: Send, member: Member, minute: float) -> None:
        """Register if need be, then check in; what goes wrong is counted, and the next turn tries again."""
        agent, report = member.agent, self.tell(member.agent, minute)
        try:
            if not agent.key:
                self._timed(lambda: agent.register(send, report), registered=True)
            standing = self._timed(lambda: agent.check_in(send, report))
        except Unreachable as error:
            self.tally.failed("unreachable", str(error))
        except Refused as error:
            self._refused(member, error)
        else:
            self.tally.told(standing.risk, member.risk)
            member.risk = standing.risk

    def _timed(self, ask: Callable[[], Standing], *, registered: bool = False) -> Standing:
        began = monotonic()
        standing = ask()
        self.tally.answered(monotonic() - began, registered=registered)
        return standing

    def _refused(self, member: Member, error: Refused) -> None:
        """Who lost its registration registers again, who must wait waits, who cannot get in gives up."""
        self.tally.failed(error.code or str(error.status), str(error))
        if error.code == "key_unknown":
            member.agent.key = ""
        member.gone = error.code in FINAL
        self.stop.wait(min(error.retry_after, LONGEST_REST_SECONDS))
