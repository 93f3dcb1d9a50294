"""`python -m harmony.connector`: runs the agent of a Connector; `--check` shows what it can reach."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from harmony import logs
from harmony.connector.agent import Agent
from harmony.connector.check import check
from harmony.connector.settings import AgentSettings, AgentSettingsError, read_settings

_USAGE = "usage: python -m harmony.connector [--check]\n"


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT. Return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(_USAGE)
        return 2
    try:
        settings = read_settings(os.environ)
    except AgentSettingsError as error:
        sys.stderr.write(f"The Connector does not start: {error}\n")
        return 2
    if arguments:
        return _print_checks(settings)
    logs.configure(settings.log_level)
    agent = Agent(settings)

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        agent.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    agent.run()
    return 0


def _print_checks(settings: AgentSettings) -> int:
    passed = True
    for ok, line in check(settings):
        passed = passed and ok
        sys.stdout.write(line + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
