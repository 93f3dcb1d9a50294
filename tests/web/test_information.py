"""Integration Information and the guide: every setting, no secret (rung: shell)."""

from __future__ import annotations

import csv
import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.db import write
from harmony.models import SetupPage
from harmony.models.configuration import SERVER
from harmony.web.guide.views import STEPS
from tests.faults.certs import a_certificate
from tests.protect.agent import an_open_integration


def test_the_record_has_every_setting_in_words_and_as_a_file(context: Flask, signed_in: FlaskClient) -> None:
    here = f"/integrations/{an_open_integration()}/information"
    page = signed_in.get(here).get_data(as_text=True)
    text = signed_in.post(f"{here}/information.csv").get_data(as_text=True).lstrip("\ufeff")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["Page", "Setting", "Value"]
    settings = {(row[0], row[1]): row[2] for row in rows[1:]}
    assert settings["Deployment", "Token"] == "Stored"
    assert settings["Synchronization", "Device sync interval"].endswith(" minutes")
    assert "CHKP_Status_Active" in settings["Tagging", "Tags"]
    assert {row[0] for row in rows[1:]} == {"Server Details", "Synchronization", "Tagging", "Deployment"}
    for label in {label for _page, label in settings}:
        assert label in page


@pytest.mark.parametrize(("days", "said"), [((-1, 90), "SHA-256"), ((-90, -1), "Expired")])
def test_the_certificate_of_the_server_is_told_by_subject_end_and_fingerprint(
    context: Flask, signed_in: FlaskClient, days: tuple[int, int], said: str
) -> None:
    id_ = an_open_integration()
    with write() as session:
        record = session.get_one(SetupPage, (id_, SERVER))
        pem = a_certificate("uem.corp.example", days=days).pem
        record.applied = {**(record.applied or {}), "self_signed": True, "certificate": pem}
    text = signed_in.post(f"/integrations/{id_}/information/information.csv").get_data(as_text=True)
    (line,) = [line for line in text.splitlines() if line.startswith("Server Details,Certificate,")]
    assert said in line
    assert ("uem.corp.example" in line) == (said == "SHA-256")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_of_the_guide_leads_to_the_next(
    context: Flask, signed_in: FlaskClient, step: object
) -> None:
    id_ = an_open_integration()
    names = [each.name for each in STEPS]
    place = STEPS.index(step)  # type: ignore[arg-type] - pytest gives objects
    page = signed_in.get(f"/integrations/{id_}/guide/{names[place]}").get_data(as_text=True)
    for neighbour in names[max(place - 1, 0) : place] + names[place + 1 : place + 2]:
        assert f"/guide/{neighbour}" in page


def test_the_guide_says_the_tags_as_they_are_called(context: Flask, signed_in: FlaskClient) -> None:
    here = f"/integrations/{an_open_integration()}/guide"
    for page in ("tags", "smart-groups"):
        text = signed_in.get(f"{here}/{page}").get_data(as_text=True)
        for name in ("CHKP_Status_Provisioned", "CHKP_Status_Inactive", "CHKP_Risk_High", "CHKP_Risk_Low"):
            assert name in text
    assert signed_in.get(f"{here}/nothing").status_code == 404
