"""Syslog into Debian's rsyslog over TLS and TCP: received, parsed, nothing lost over an outage (rung S)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harmony.clock import now
from harmony.db import db
from harmony.models import FeedRow, RecordFormat
from harmony.outbound import delivery, destinations
from harmony.outbound.destinations import DestinationValues
from harmony.outbound.errors import SendError
from harmony.outbound.record import OutboundRecord
from harmony.outbound.status import status_of
from harmony.outbound.syslog import SyslogHeader
from harmony.outbound.syslog_sender import SyslogSender, directly
from harmony.uem.http.byte_stream import StreamServer
from harmony.uem.trust.outbound import OutboundPolicy
from tests.faults.certs import Made, a_certificate
from tests.outbound.records import AUDITED, DETECTED, every_record
from tests.outbound.rsyslog import Rsyslog, running_rsyslog
from tests.outbound.senders import destination, events
from tests.waiting import wait_for

POLICY = OutboundPolicy(allow_loopback=True)


@pytest.fixture(scope="module")
def certificate() -> Made:
    return a_certificate(authority=True)


def sender(
    port: int, certificate: str, form: str = RecordFormat.SYSLOG, *, is_tls: bool = True
) -> SyslogSender:
    server = StreamServer("127.0.0.1", port, is_tls, certificate)
    return SyslogSender(server, directly(POLICY), form, SyslogHeader("harmony.example"))


def all_received(server: Rsyslog, records: Sequence[object]) -> list[dict[str, str]]:
    return (
        wait_for(
            lambda: found if len(found := server.received()) >= len(records) else None,
            "rsyslog to have written",
        )
        or []
    )


@pytest.mark.parametrize("is_tls", [True, False])
def test_rsyslog_takes_every_message_apart_as_it_was_meant(
    tmp_path: Path, certificate: Made, is_tls: bool
) -> None:
    records = [DETECTED, AUDITED]
    with running_rsyslog(tmp_path, certificate, is_tls=is_tls) as server:
        answer = sender(server.port, certificate.pem, is_tls=is_tls).send(records)
        threat, entry = all_received(server, records)
    assert answer == "Sent; the server read all of it."
    assert (threat["syslogfacility"], threat["syslogseverity"]) == ("16", "2")
    assert (entry["syslogfacility"], entry["syslogseverity"]) == ("13", "6")
    assert (threat["hostname"], threat["app-name"], threat["msgid"]) == (
        "harmony.example", "Harmony", "threat.detected",
    )  # fmt: skip
    assert threat["structured-data"].startswith(f'[harmony@32473 id="{DETECTED.uid}"')
    assert 'who="kim"' in entry["structured-data"]
    assert threat["msg"].lstrip("\ufeff ").startswith("Threat detected")
    assert threat["protocol-version"] == "1"


@pytest.mark.parametrize("form", [RecordFormat.SYSLOG, RecordFormat.CEF, RecordFormat.OCSF])
def test_hostile_values_break_no_message(tmp_path: Path, certificate: Made, form: str) -> None:
    records = every_record()
    with running_rsyslog(tmp_path, certificate) as server:
        sender(server.port, certificate.pem, form).send(records)
        found = all_received(server, records)
    assert len(found) == len(records)
    for message, record in zip(found, records, strict=True):
        assert message["msgid"] == record.type
        assert f'id="{record.uid}"' in message["structured-data"]


def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path: Path, certificate: Made) -> None:
    with running_rsyslog(tmp_path, certificate) as server:
        with pytest.raises(SendError, match=r"does not vouch|not trusted|self-signed"):
            sender(server.port, a_certificate(authority=True).pem).send([DETECTED])
        with pytest.raises(SendError, match="self-signed"):
            sender(server.port, "").send([DETECTED])
        assert server.received() == []


def test_nobody_at_the_port_is_said(certificate: Made) -> None:
    with pytest.raises(SendError, match="Nothing listens"):
        sender(1, certificate.pem).send([DETECTED])


@pytest.mark.usefixtures("context")
def test_an_outage_of_the_server_delays_and_loses_nothing(tmp_path: Path, certificate: Made) -> None:
    with running_rsyslog(tmp_path, certificate) as server:
        port = server.port
    values = DestinationValues(
        "SIEM", "syslog", ("event",), "information", place=f"127.0.0.1:{port}",
        options={"tls": True, "certificate": certificate.pem},
    )  # fmt: skip
    id_, _ = destinations.add("syslog", values, False, "kim", now())
    events(30)
    assert delivery.deliver(id_)
    assert status_of(db.session(), destination(id_)).backlog == 30
    assert "Nothing listens" in destination(id_).reason
    with running_rsyslog(tmp_path, certificate, port=port) as server:
        destinations.resume(id_, "kim", now())
        assert delivery.deliver(id_)
        assert destination(id_).reason == ""
        found = all_received(server, range(30))
    assert [message["structured-data"].split('"')[1] for message in found] == _uids(30)


def _uids(count: int) -> list[str]:
    rows = db.session.query(FeedRow).filter(FeedRow.kind == "event").order_by(FeedRow.id)
    found = [OutboundRecord(row.id, row.at, row.kind, row.name, row.severity, {}).uid for row in rows]  # type: ignore[arg-type]
    assert len(found) == count
    return found
