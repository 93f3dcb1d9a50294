"""Lists as files: sent by a form only, each recorded in the audit trail (rung: shell on a file SQLite)."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.db import db
from harmony.models import AuditEntry
from tests.builders import an_integration

FILES = {
    "/devices/devices.csv?risk=high&q=kim": ("Exported devices", "Filtered by: Risk, Search"),
    "/events.csv": ("Exported events", "All entries"),
    "/apps/apps.csv?q=maps": ("Exported apps", "Filtered by: Search"),
    "/integrations/1/runs.csv": ("Exported runs", "All entries"),
    "/integrations/1/information/information.csv": ("Exported Integration Information", ""),
    "/audit.csv": ("Exported the audit trail", "All entries"),
}


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_recorded_with_what_narrowed_it_but_not_to_whom(
    app: Flask, signed_in: FlaskClient, path: str
) -> None:
    with app.app_context():
        an_integration()
    answer = signed_in.post(path)
    assert answer.status_code == 200
    assert answer.text.count("\n") >= 1
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.what, entry.detail, entry.category) == (*FILES[path], "Export")
        assert (entry.integration_id == 1) == path.startswith("/integrations")


def test_no_file_of_a_list_is_sent_to_a_link(app: Flask) -> None:
    files = [rule for rule in app.url_map.iter_rules() if rule.rule.endswith(".csv")]
    assert len(files) > len(FILES)
    assert [rule.rule for rule in files if "GET" in (rule.methods or ())] == []
