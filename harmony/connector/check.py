"""`--check`: what this machine can reach, from the settings of the agent, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harmony import clock
from harmony.connector.agent import VERSION
from harmony.connector.allow_list import LISTED
from harmony.connector.dashboard import Dashboard
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import Poll
from harmony.mail.smtp import OPEN_SECONDS
from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.verify.checks import CheckState
from harmony.uem.verify.run_checks import network_results

_WORDS = {CheckState.OK: "ok", CheckState.WARNING: "warning", CheckState.FAILED: "FAILED"}


def check(settings: AgentSettings) -> Iterator[tuple[bool, str]]:
    """Yield each check: whether it passed, and its line."""
    yield _dashboard(settings)
    policy = replace(LISTED, proxy=settings.uem_proxy)
    yield from (_socket(server, policy) for server in sorted(settings.allowed.sockets))
    for server in sorted(settings.allowed.servers | settings.allowed.webhooks):
        connection = Connection(server, Basic("", "", ""), settings.uem_ca, policy)
        for result in network_results(connection, clock.now()):
            word = _WORDS.get(result.state, "not tried")
            advice = f" {result.advice}" if result.advice else ""
            passed = result.state in {CheckState.OK, CheckState.WARNING}
            yield passed, f"{word:9} {server}: {result.name}. {result.sentence}{advice}"


def _socket(server: str, policy: OutboundPolicy) -> tuple[bool, str]:
    host, _, port = server.partition("://")[2].rpartition(":")
    try:
        with Deadline(OPEN_SECONDS) as deadline:
            open_socket(host, int(port), replace(policy, proxy=None), deadline).close()
    except UemError as error:
        return False, f"{'FAILED':9} {server}: {error.sentence} {error.advice}"
    return True, f"{'ok':9} {server}: the server can be reached."


def _dashboard(settings: AgentSettings) -> tuple[bool, str]:
    where = settings.dashboard.url
    dashboard = Dashboard(settings)
    try:
        # Without room for a call, so that none is taken.
        dashboard.poll(Poll(agent="", host="", version=VERSION, free=0))
    except UemError as error:
        return False, f"{'FAILED':9} {where}: {error.sentence} {error.advice}"
    finally:
        dashboard.close()
    return True, f"{'ok':9} {where}: the dashboard accepts the key."
