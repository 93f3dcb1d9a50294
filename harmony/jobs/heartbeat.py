"""Watches beside a run: keeps its lease alive while the UEM is slow, and ends its calls when it must stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask, current_app
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from harmony.clock import monotonic, now
from harmony.db import write
from harmony.jobs.lease import LeaseLost

log = logging.getLogger(__name__)

Renew = Callable[[Session, datetime], None]
_CutOff = Callable[[], None]

LOOK_SECONDS = 0.2
# Short enough that a pause is noticed within it, however long the UEM takes for a page.
_RENEW_SECONDS = 4.0


class Interrupted(Exception):
    """The process was told to stop; the run ends between two pages."""


@dataclass(slots=True)
class LeaseKeeper:
    """One run under watch; `lost` once the lease is somebody else's or the integration was paused."""

    renew: Renew
    should_stop: Callable[[], bool]
    cut_off: _CutOff
    lost: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, app: Flask) -> None:
        """Look until the run is over; cutting it off gives whoever waits for an answer an error."""
        renewed = monotonic()
        while not self.over.wait(LOOK_SECONDS):
            if monotonic() - renewed >= _RENEW_SECONDS:
                renewed = monotonic()
                self._renew(app)
            if self.must_end():
                self.cut_off()
                return

    def must_end(self) -> bool:
        """Tell whether the run is cut off, or about to be."""
        return self.lost or self.should_stop()

    def go_on(self) -> None:
        """Raises Interrupted or LeaseLost when the run must end."""
        if self.should_stop():
            raise Interrupted
        if self.lost:
            raise LeaseLost

    def _renew(self, app: Flask) -> None:
        try:
            with app.app_context(), write() as session:
                self.renew(session, now())
        except LeaseLost:
            self.lost = True
        except OperationalError:  # a busy or full database; the lease is long enough for several more tries
            log.warning("The lease of a run could not be renewed.")


@contextmanager
def watched(renew: Renew, should_stop: Callable[[], bool], cut_off: _CutOff) -> Iterator[LeaseKeeper]:
    """A thread beside the body that renews the lease, and cuts the body off when the run must end.

    `renew` prolongs the lease inside a `write()`, or raises LeaseLost.
    """
    watch = LeaseKeeper(renew, should_stop, cut_off)
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the thread outlives the proxy
    thread = threading.Thread(target=watch.run, args=(app,), daemon=True, name="watch")
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join()
