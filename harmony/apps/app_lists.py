"""PURE: what a list of apps from the UEM proves. It adds what it names; what it lacks may still be installed.

A single answer can be well formed and wrong. So a list with unreadable or missing rows removes nothing, and
one that contradicts many things at once removes them only if a second list, of a later run, lacks the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Set
from enum import StrEnum
from typing import NamedTuple

from harmony.jobs.accounting import contradicts_many
from harmony.uem.records import AppList, Completeness


class ReadingOutcome(StrEnum):
    """The outcome of asking for the apps of a device; all but the first are tried again in the next run."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"


class Judgement(NamedTuple):
    """The outcome of a list; `unconfirmed` is the digest of what it lacks, "" unless that is in doubt."""

    outcome: ReadingOutcome
    unconfirmed: str = ""

    @property
    def removes(self) -> bool:
        """Tell whether the apps that the list lacks are removed."""
        return self.outcome is ReadingOutcome.WHOLE


def judge(stored: Set[str], listing: AppList, earlier: str, *, others_counted: bool) -> Judgement:
    """Judge a list by the identifiers that are `stored`; `earlier` is the digest of an unconfirmed one.

    `others_counted`: the UEM announced the number of rows in other lists of the run.

    >>> from harmony.uem.records import AppOnDevice
    >>> mail = AppList((AppOnDevice("mail", "1", "Mail"),))
    >>> judge({"mail", "chat"}, mail, "", others_counted=True).outcome.value
    'whole'
    >>> judge({"mail", "chat"}, AppList(), "", others_counted=True).outcome.value
    'unconfirmed'
    """
    listed = {app.identifier for app in listing.apps}
    uncounted = listing.completeness is Completeness.UNCOUNTED
    if listing.completeness is Completeness.PARTIAL or (uncounted and listed and others_counted):
        return Judgement(ReadingOutcome.INCOMPLETE)
    lacking = stored - listed
    if not lacking or _is_believed(listing, len(lacking), len(stored)):
        return Judgement(ReadingOutcome.WHOLE)
    unconfirmed = digest(lacking)
    if unconfirmed == earlier:
        return Judgement(ReadingOutcome.WHOLE)
    return Judgement(ReadingOutcome.UNCONFIRMED, unconfirmed)


def _is_believed(listing: AppList, lacking: int, stored: int) -> bool:
    """Tell whether a list is believed at first sight; an empty one contradicts everything that is stored."""
    counted = listing.completeness is Completeness.COUNTED
    return counted and bool(listing.apps) and not contradicts_many(lacking, stored)


def digest(identifiers: Collection[str]) -> str:
    """Return 64 hex digits for a set of identifiers."""
    text = json.dumps(sorted(identifiers), separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
