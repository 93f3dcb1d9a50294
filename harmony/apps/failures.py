"""PURE: tells what is wrong with one device from what is wrong with the server while apps are read."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.uem.device_failures import ANSWERED, CUT_OFF
from harmony.uem.errors import Forbidden, UemError

# So many in a row are a matter of the server. A call that is cut off costs a minute.
MOST_ANSWERED, MOST_CUT_OFF = 20, 10
# When the first devices of a run are all forbidden, the account lacks the permission.
FIRST_FORBIDDEN = 3


@dataclass(slots=True)
class Streak:
    """The devices of a run so far: `read` ones, `failed` ones in all, and failures since the last one read.

    A device whose apps could not be read in the run before `had_failed`; such devices come last, one after
    another, and say nothing of the server once it has answered for others.
    """

    read: int = 0
    failed: int = 0
    fresh: int = 0
    forbidden: int = 0
    answered: int = 0
    cut_off: int = 0
    kinds: frozenset[type[UemError]] = frozenset()

    def note_read(self) -> None:
        """Count a device whose apps were read: the server works."""
        self.read += 1
        self.answered = self.cut_off = 0

    def ends_run(self, error: UemError, *, had_failed: bool) -> bool:
        """Count a failure; return True if it is the server's, so that the run has to end."""
        self.failed += 1
        self.fresh += not had_failed
        self.forbidden += isinstance(error, Forbidden) and not had_failed
        self.kinds |= {type(error)}
        if isinstance(error, CUT_OFF):
            self.cut_off += 1
            return self.cut_off >= MOST_CUT_OFF
        if not isinstance(error, ANSWERED):
            return True
        self.answered += not (self.read and had_failed)
        return self.answered >= MOST_ANSWERED or self._is_unpermitted()

    def is_of_server(self, *, ever_read: bool) -> bool:
        """Judge a run that came to its end: nothing was read, and every device failed in the same way.

        A single device may be the cause, if the apps of any were ever read.
        """
        alike = len(self.kinds) == 1 and self.fresh > 0
        return not self.read and alike and (self.failed > 1 or not ever_read)

    def _is_unpermitted(self) -> bool:
        return not self.read and self.forbidden == self.failed >= FIRST_FORBIDDEN
