"""PURE: tells the failures that may be about the one device that was asked about from all others."""

from __future__ import annotations

from harmony.uem.errors import (
    ConnectionLost,
    Forbidden,
    Incomplete,
    NotFound,
    NotTheApi,
    RequestRefused,
    ServerFailed,
    TimedOut,
    TooLarge,
    UemError,
)

# What the UEM answers about a device, and no answer in time.
ANSWERED = (NotFound, NotTheApi, Incomplete, TooLarge, RequestRefused, Forbidden, ServerFailed)
CUT_OFF = (TimedOut, ConnectionLost)


def is_of_device(error: UemError) -> bool:
    """Tell whether an error may be about one device alone."""
    return isinstance(error, (*ANSWERED, *CUT_OFF))
