"""Questions to the UEM at the time of a request: a client for them, and each as a result of Verify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from harmony.clock import monotonic
from harmony.db import release
from harmony.jobs.uem_client import AT_A_REQUEST, connection, reach
from harmony.models import Integration
from harmony.models.configuration import ServerDetails
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError
from harmony.uem.verify.checks import CheckResult, CheckState, advice_to_person

_Answer = TypeVar("_Answer")


@contextmanager
def opened(integration: Integration, server: ServerDetails) -> Iterator[UemClient]:
    """A client for that server; nothing is held open in the database meanwhile. Raises VaultLocked."""
    target, kind = connection(integration.id, server), integration.kind
    release()
    with closing(reach(kind, target, longest_wait=AT_A_REQUEST)) as client:
        yield client


def timed(name: str, ask: Callable[[], _Answer]) -> tuple[CheckResult, _Answer | None]:
    """The result and the answer; None when it failed."""
    started = monotonic()
    try:
        answer = ask()
    except UemError as error:
        spent = round((monotonic() - started) * 1000)
        return CheckResult(name, CheckState.FAILED, spent, error.sentence, advice_to_person(error)), None
    return CheckResult(name, CheckState.OK, round((monotonic() - started) * 1000), "", None), answer
