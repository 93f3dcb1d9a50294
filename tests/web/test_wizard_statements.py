"""How often the wizard asks the database (rung S): bounds on the number of statements, never on time."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.setup import drafts
from tests.web.test_runs import statements
from tests.web.walking import Walk

pytestmark = pytest.mark.usefixtures("uem")

# The session, what its role hides and requires, the integration, its pages, its verifications, whether a
# restore is to be confirmed, and the worker's heartbeat; then the groups and the listener of events,
# the Connectors to choose from, and before Finish the integrations that were removed.
LOOK = {"server": 8, "synchronization": 9, "tagging": 7, "deployment": 9}
TWICE = {"deployment": ["integration"]}
# The same without the worker, the page under the write lock, and the state once more after the write.
NEXT = {"server": 9, "synchronization": 11, "tagging": 9}
# What Next asks, and what puts the page in force: the write that asks everything again under its lock, and
# chains its entry of the audit trail (the link before, the link after, the line for destinations).
SAVE = {"server": 21, "synchronization": 22, "tagging": 26, "deployment": 19}
# The checks of Verify: one statement a result, one a call for the wait that a server asked for, one for the
# outbound proxy.
VERIFY = {"server": 46, "synchronization": 59, "tagging": 28}


def sent(app: Flask, client: FlaskClient, method: str, href: str, data: Any = None) -> list[str]:
    """Send one request; return its statements besides BEGIN."""
    with statements(app) as every:
        answer = client.open(href, method=method, data=data)
    assert answer.status_code == (200 if method == "GET" else 303), href
    return [sql for sql in every if not sql.startswith("BEGIN")]


def counts(app: Flask, walk: Walk, method: str, pages: dict[str, int], suffix: str = "") -> dict[str, int]:
    return {
        page: len(
            sent(
                app, walk.client, method, walk.href(page) + suffix,
                walk.values(page) if method == "POST" else None,
            )
        )
        for page in pages
    }  # fmt: skip


def over(found: dict[str, int], bounds: dict[str, int]) -> dict[str, int]:
    return {page: count for page, count in found.items() if count > bounds[page]}


def test_each_page_of_a_draft_asks_a_bounded_number_of_statements(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment()

    assert over(counts(app, walk, "GET", LOOK), LOOK) == {}
    assert over(counts(app, walk, "POST", NEXT), NEXT) == {}
    assert over(counts(app, walk, "POST", VERIFY, "/verify"), VERIFY) == {}


def test_each_page_of_a_running_integration_asks_a_bounded_number_of_statements(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()

    assert over(counts(app, walk, "GET", LOOK), LOOK) == {}
    assert over(counts(app, walk, "POST", SAVE), SAVE) == {}


def test_a_page_reads_no_row_twice(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment()
    for page in LOOK:
        tables = [
            re.split(r"\sFROM\s+", sql)[1].split()[0] for sql in sent(app, signed_in, "GET", walk.href(page))
        ]
        assert sorted(tables) == sorted([*set(tables), *TWICE.get(page, [])]), page


def test_a_page_works_out_once_for_each_draft_if_it_is_verified(
    signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, digested, digest = Walk.begin(signed_in).to_deployment(), list[dict[str, Any]](), drafts.digest
    monkeypatch.setattr(drafts, "digest", lambda values: digested.append(values) or digest(values))
    for page in LOOK:
        digested.clear()
        walk.look(page)
        assert len(digested) == len(LOOK) - len(drafts.WITHOUT_VERIFY), page
