"""Lines that are told at the end of `make test`, from whichever of its processes they come."""

from __future__ import annotations

from typing import Any

import pytest

LINES = pytest.StashKey[list[str]]()


def summary_lines(config: pytest.Config) -> list[str]:
    """The lines of this process; append to them."""
    return config.stash.setdefault(LINES, [])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs a part of the tests hands its lines to the one that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["lines"] = summary_lines(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the lines of such a process; each of them collects everything, so that some say the same."""
    lines = summary_lines(node.config)
    lines += [line for line in getattr(node, "workeroutput", {}).get("lines", ()) if line not in lines]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One after the other, before the closing line."""
    for line in summary_lines(config):
        terminalreporter.write_line(line)
