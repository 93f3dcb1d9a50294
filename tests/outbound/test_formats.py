"""The formats: OCSF against its published schema, RFC 5424, CEF, Standard Webhooks (rung: pure)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from harmony.models import RecordFormat, Severity, SyncRunState, Verb
from harmony.outbound.as_json import webhook_body
from harmony.outbound.cef import cef_line
from harmony.outbound.formats import as_line, as_syslog
from harmony.outbound.ocsf import ocsf_line, ocsf_record
from harmony.outbound.record import VERBS, OutboundRecord, Selection
from harmony.outbound.syslog import SyslogHeader
from harmony.outbound.webhook_signature import new_secret, signed_headers
from tests.outbound.records import AT, AUDITED, DETECTED, FAILED, HOSTILE, KIM, every_record

SCHEMAS = json.loads(Path(__file__).with_name("ocsf_schema.json").read_text(encoding="utf-8"))
HEADER = SyslogHeader("harmony.example")
# RFC 5424, section 6: the head, the structured data, and the text after it.
SD_ELEMENT = r'\[[!-<>-~]{1,32}@\d+(?: [!-<>-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]'
RFC_5424 = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) "
    rf"([!-~]{{1,32}}) ((?:{SD_ELEMENT})+) (.*)"
)
CEF = re.compile(r"CEF:0\|((?:[^|\\]|\\[|\\])*\|){5}(\d+)\|(.*)")
CEF_PAIR = re.compile(r"(?:^| )([A-Za-z0-9_]+)=((?:[^\\=]|\\[\\=n])*)(?= [A-Za-z0-9_]+=|$)")


def validator(class_uid: int) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(SCHEMAS[str(class_uid)])


def test_every_record_is_valid_under_the_published_schema_of_its_class() -> None:
    seen = set()
    for record in every_record():
        found = json.loads(ocsf_line(record).encode("utf-8", "replace"))
        errors = [error.message for error in validator(found["class_uid"]).iter_errors(found)]
        assert errors == [], found
        seen.add(found["class_uid"])
    assert seen == {2004, 5019, 3004, 3002, 6002}


def test_the_schema_refuses_what_is_wrong() -> None:
    wrong = ocsf_record(DETECTED) | {"severity_id": 42, "invented": 1}
    assert len(list(validator(2004).iter_errors(wrong))) == 2


def test_a_threat_is_a_finding_that_is_created_and_closed() -> None:
    opened, ended = ocsf_record(DETECTED), ocsf_record(replace(DETECTED, name=Verb.ENDED))
    assert (opened["type_uid"], opened["status_id"]) == (200401, 1)
    assert (ended["type_uid"], ended["status_id"]) == (200403, 4)
    assert opened["finding_info"]["uid"] == ended["finding_info"]["uid"]
    assert opened["device"]["risk_level_id"] == 3


def test_every_message_of_syslog_reads_as_rfc_5424_says() -> None:
    for form in (RecordFormat.SYSLOG, RecordFormat.CEF, RecordFormat.OCSF):
        for record in every_record():
            text = as_syslog(record, form, HEADER).decode()
            assert RFC_5424.fullmatch(text), text
            assert f'id="{record.uid}"' in text


def test_a_message_of_syslog_has_its_facility_severity_and_data() -> None:
    found = RFC_5424.fullmatch(as_syslog(DETECTED, RecordFormat.SYSLOG, HEADER).decode())
    assert found is not None
    assert found.groups()[:6] == (
        str(16 * 8 + 2), "2026-03-01T07:12:40.123Z", "harmony.example", "Harmony", "-", "threat.detected",
    )  # fmt: skip
    assert 'factor="ROOTED"' in found[7]
    assert '[device@32473 id="dev_5" uem_id="4711" platform="Android"' in found[7]
    assert found[8].startswith("\ufeffThreat detected")
    assert as_syslog(AUDITED, RecordFormat.SYSLOG, HEADER).startswith(b"<110>1 ")


def test_every_line_of_cef_keeps_its_fields_apart() -> None:
    for record in every_record():
        line = cef_line(record)
        found = CEF.fullmatch(line)
        assert found, line
        assert not re.search(r"[\r\n\0]", line)
        pairs = dict(CEF_PAIR.findall(found[3]))
        assert pairs["externalId"] == record.uid
        assert all(f"{key}Label" in pairs for key in pairs if re.fullmatch(r"cs\d", key))
        assert " ".join(f"{key}={value}" for key, value in pairs.items()) == found[3]


def test_cef_has_the_keys_of_the_vendor_under_names_of_our_own() -> None:
    line = cef_line(replace(DETECTED, device=KIM))
    assert line.startswith("CEF:0|Harmony|Harmony|1|ROOTED|Threat detected: ")
    for part in ("|10|", "cat=Alert", "act=Detected", "duser=kim@example.com", "cs1Label=DeviceType",
                 "cs1=Android", "cs3=17", "cs6=High", "rt=1772349160123", "dvchost=Head office"):  # fmt: skip
        assert part in line


def test_personal_data_is_nowhere_unless_it_was_chosen() -> None:
    private = [KIM.name, KIM.serial, KIM.udid, KIM.imei, KIM.email, KIM.phone]
    for write in (ocsf_line, cef_line, lambda record: webhook_body(record).decode(),
                  lambda record: as_line(record, RecordFormat.SYSLOG, HEADER).decode()):  # fmt: skip
        assert not [value for value in private if value in write(DETECTED)]
    assert "kim@example.com" in webhook_body(replace(DETECTED, device=KIM)).decode()
    assert "kim" not in repr(replace(DETECTED, device=KIM))


def test_a_line_of_a_file_is_one_line() -> None:
    for form in (RecordFormat.SYSLOG, RecordFormat.CEF, RecordFormat.OCSF):
        for record in every_record():
            line = as_line(record, form, HEADER)
            assert line.endswith(b"\n")
            assert not re.search(rb"[\r\n]", line[:-1])


@pytest.mark.parametrize("record", [DETECTED, AUDITED, FAILED, replace(DETECTED, integration=HOSTILE)])
def test_the_public_library_verifies_a_webhook(record: OutboundRecord) -> None:
    secret, body = new_secret(), webhook_body(record)
    headers = signed_headers(record.uid, seconds(), body, [secret])
    read = Webhook(secret).verify(body, headers)
    assert read["type"] == record.type
    assert read["data"]["id"] == record.uid


def test_while_a_secret_is_rotated_receivers_with_either_accept() -> None:
    new, former, body = new_secret(), new_secret(), webhook_body(DETECTED)
    headers = signed_headers(DETECTED.uid, seconds(), body, [new, former])
    assert Webhook(new).verify(body, headers) == Webhook(former).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_a_stale_or_changed_webhook_is_refused() -> None:
    secret, body = new_secret(), webhook_body(DETECTED)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, signed_headers(DETECTED.uid, seconds() - 601, body, [secret]))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", signed_headers(DETECTED.uid, seconds(), body, [secret]))


def test_a_webhook_says_what_happened_to_which_device() -> None:
    body: dict[str, Any] = json.loads(webhook_body(DETECTED))
    assert body["type"] == "threat.detected"
    assert body["timestamp"] == "2026-03-01T07:12:40.123Z"
    assert body["data"]["device"] == {
        "id": "dev_5", "external_id": "4711", "platform": "Android", "model": "Pixel 9", "os_version": "17",
        "ownership": "Corporate", "risk": "high",
    }  # fmt: skip
    assert body["data"]["threat_factor"] == "ROOTED"
    run = json.loads(webhook_body(FAILED))["data"]["run"]
    assert run == {"id": 12, "job": "devices", "state": "failed", "reason": "Page 3 did not come."}


def test_the_id_of_a_record_stays_and_differs_from_that_of_any_other() -> None:
    assert DETECTED.uid == replace(DETECTED, severity=Severity.WARNING).uid
    assert DETECTED.uid != replace(DETECTED, at=AT + timedelta(seconds=1)).uid
    assert "." not in DETECTED.uid


def test_every_verb_has_a_type_of_dotted_words() -> None:
    assert VERBS.keys() == set(Verb)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", type_) for type_, _title in VERBS.values())


def test_a_selection_takes_audit_entries_whatever_their_severity() -> None:
    chosen = Selection(frozenset({"event", "audit"}), Severity.CRITICAL)
    taken = [chosen.takes(kind, "information") for kind in ("event", "audit", "run")]
    assert taken == [False, True, False]
    assert chosen.takes("event", "critical")


def seconds() -> int:
    return int(datetime.now(UTC).timestamp())


def test_the_samples_of_the_guide_are_what_is_sent() -> None:
    guide = Path(__file__).parent.parent.parent.joinpath("docs/destinations.md").read_text("utf-8")
    header = SyslogHeader("harmony.example.com")
    written = [as_syslog(record, RecordFormat.SYSLOG, header) for record in (DETECTED, AUDITED)]
    written += [as_line(DETECTED, form, header) for form in (RecordFormat.CEF, RecordFormat.OCSF)]
    written += [as_line(FAILED, RecordFormat.OCSF, header), webhook_body(DETECTED)]
    for sample in written:
        assert sample.decode().replace("\ufeff", "").strip() in guide
    assert all(f"`{type_}`" in guide for type_, _title in VERBS.values())
    assert all(f"`run.{state.value}`" in guide for state in SyncRunState if state != SyncRunState.RUNNING)
