"""Where everything must run, a missing rsyslog is an error; elsewhere the last lines say so."""

from __future__ import annotations

import os

import pytest

from tests.outbound.rsyslog import PACKAGES, RSYSLOG
from tests.summary_lines import summary_lines


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests against rsyslog where there is none, aloud."""
    against_it = [item for item in items if item.path.name == "test_rsyslog.py"]
    if RSYSLOG or not against_it:
        return
    if os.environ.get("REQUIRE_RSYSLOG") == "1":
        raise pytest.UsageError(f"REQUIRE_RSYSLOG=1, but there is no rsyslogd: apt-get install {PACKAGES}")
    items[:] = [item for item in items if item not in against_it]
    summary_lines(config).append(f"For lack of rsyslog its tests were left out (apt-get install {PACKAGES}).")
