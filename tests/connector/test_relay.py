"""The relay: who gets a call, whose answer counts. Rung: shells on both databases; no sockets."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO
from typing import NoReturn

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from harmony.clock import now
from harmony.connector.wire import (
    CALL,
    LEASE_SECONDS,
    PART_BYTES,
    PREFIX,
    Poll,
    Reply,
    WireAnswer,
    WireCheck,
    WireDelivery,
    WireFailure,
    Work,
    decode_works,
    encode,
)
from harmony.db import db, write
from harmony.models import AuditEntry, Connector, ConnectorAgent, RelayCall, RelayPart
from harmony.relay import agents, calls, connectors
from harmony.relay.agents import RefusedAgent
from harmony.relay.calls import Relay
from harmony.relay.errors import ConnectorRefused, ConnectorRevoked, ConnectorUnavailable, failure
from harmony.relay.exchange import probe_of
from harmony.relay.stream import send_relayed_stream
from harmony.security.vault import vault
from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import MalformedAnswer, TimedOut, UemError
from harmony.uem.http.byte_stream import StreamServer
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.response import pack
from harmony.uem.trust.outbound import OutboundPolicy
from tests.database import on_both
from tests.waiting import wait_for

database = on_both

REPLY = Reply(answer=WireAnswer(status=200, headers={}, body=pack(b"{}")))


class Asked:
    """A call that is waited for in a thread of its own; `end()` returns its reply or raises its error."""

    def __init__(self, app: Flask, relay: Relay, *, repeatable: bool = True, seconds: float = 20) -> None:
        self.outcome: list[Reply | UemError] = []
        self.deadline = Deadline(seconds)

        def ask() -> None:
            try:
                self.outcome.append(relay.ask(CALL, b"secret body", self.deadline, repeatable=repeatable))
            except UemError as error:
                self.outcome.append(error)

        self._thread = threading.Thread(target=ask)
        self._thread.start()
        wait_for(lambda: self.outcome or _waiting(), "the call to be there")

    def end(self) -> Reply:
        self._thread.join(30)
        [found] = self.outcome
        if isinstance(found, UemError):
            raise found
        return found


def _waiting() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(RelayCall.id).where(RelayCall.answered_at.is_(None))).all())


def poll(agent: str = "a", *, free: int = 4, running: tuple[str, ...] = (), error: str = "") -> Poll:
    return Poll(agent=agent, host="dmz-1", version="1", free=free, running=running, error=error)


@pytest.fixture
def site(context: Flask) -> int:
    """A Connector with an agent that was just seen."""
    id_, _ = connectors.add("Head office", "test", now())
    agents.arrive(id_, poll(), now())
    return id_


@pytest.fixture
def relay(context: Flask, site: int) -> Relay:
    return Relay(context, vault(), "Head office")


def taken(site: int, agent: str = "a", at: datetime | None = None) -> Work:
    [work] = agents.take(site, poll(agent), at or now())
    return work


def answer(site: int, work: Work, reply: Reply = REPLY, *, at: datetime | None = None) -> None:
    agents.store(site, work.id, work.ticket, 0, encode(reply), last=True, now=at or now())


def test_a_call_goes_to_one_agent_and_its_answer_to_whoever_asked(
    context: Flask, site: int, relay: Relay
) -> None:
    asked = Asked(context, relay)
    work = taken(site)
    assert work.body == b"secret body"
    assert agents.take(site, poll("b"), now()) == [], "another agent got the same call"
    answer(site, work)
    assert asked.end() == REPLY
    relay.close()
    assert not db.session.scalars(select(RelayCall)).all()
    assert not db.session.scalars(select(RelayPart)).all()


def answered(context: Flask, site: int, relay: Relay) -> None:
    asked = Asked(context, relay)
    answer(site, taken(site))
    assert asked.end() == REPLY


def kept_rows() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(RelayCall.id)).all() + db.session.scalars(select(RelayPart)).all())


def test_a_read_answer_is_deleted_also_when_the_next_call_fails(
    context: Flask, site: int, relay: Relay
) -> None:
    answered(context, site, relay)
    with write() as session:
        session.execute(update(ConnectorAgent).values(seen_at=now() - timedelta(minutes=5)))
    with pytest.raises(ConnectorUnavailable):
        relay.ask(CALL, b"", Deadline(5), repeatable=True)
    relay.close()
    assert kept_rows() == 0


def no_write() -> NoReturn:
    raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))


def test_an_answer_stands_when_the_database_does_not_take_its_end(
    context: Flask, site: int, relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered(context, site, relay)
    with monkeypatch.context() as patched:
        patched.setattr(calls, "write", no_write)
        relay.close()
    assert "Calls through Connector Head office stay until they expire" in caplog.text
    assert kept_rows() == 2
    connectors.forget_silent(now() + timedelta(hours=1))
    assert kept_rows() == 0


def test_records_that_were_taken_are_not_sent_again_because_of_it(
    context: Flask, site: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = StreamServer("siem.test", 6514, is_tls=True, certificate="")

    def send() -> str:
        with context.app_context():
            return send_relayed_stream("Head office", server, b"records", 20)

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        wait_for(_waiting, "the records")
        work = taken(site)
        monkeypatch.setattr(calls, "write", no_write)
        agents.store(
            site, work.id, work.ticket, 0, encode(Reply(delivery=WireDelivery(answer="taken"))), last=True,
            now=now(),
        )  # fmt: skip
        assert sent.result(20) == "taken"


def test_each_of_several_threads_gets_its_own_answer(context: Flask, site: int, relay: Relay) -> None:
    def ask(number: int) -> bytes:
        reply = relay.ask(CALL, b"%d" % number, Deadline(20), repeatable=True)
        return reply.answer.body if reply.answer else b""

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, number) for number in range(6)]
        works: list[Work] = []
        while len(works) < 6:
            works += agents.take(site, poll(), now())
        for work in reversed(works):
            answer(site, work, Reply(answer=WireAnswer(status=200, headers={}, body=work.body * 2)))
        assert [future.result(20) for future in asked] == [b"%d%d" % (n, n) for n in range(6)]


def test_an_answer_is_taken_once_and_from_the_one_who_has_the_call(
    context: Flask, site: int, relay: Relay
) -> None:
    asked = Asked(context, relay)
    work = taken(site)
    other, _ = connectors.add("Branch", "test", now())
    for id_, forged in ((site, "another ticket"), (other, work.ticket), (site, "")):
        with pytest.raises(RefusedAgent) as refused:
            agents.store(id_, work.id, forged, 0, encode(REPLY), last=True, now=now())
        assert refused.value.status == 409
    answer(site, work)
    with pytest.raises(RefusedAgent):
        answer(site, work)
    assert asked.end() == REPLY


def test_a_dead_agents_call_is_given_to_another_when_it_may_be_repeated(
    context: Flask, site: int, relay: Relay
) -> None:
    asked = Asked(context, relay)
    first, later = taken(site), now() + timedelta(seconds=LEASE_SECONDS + 1)
    second = taken(site, "b", later)
    assert second.id == first.id
    with pytest.raises(RefusedAgent):
        answer(site, first)
    answer(site, second)
    assert asked.end() == REPLY


def test_a_call_that_must_not_be_repeated_is_never_given_twice(
    context: Flask, site: int, relay: Relay
) -> None:
    asked = Asked(context, relay, repeatable=False)
    work, later = taken(site), now() + timedelta(seconds=LEASE_SECONDS + 1)
    assert agents.take(site, poll("b"), later) == []
    answer(site, work)
    asked.end()


def test_an_agent_that_says_what_it_works_on_keeps_it(context: Flask, site: int, relay: Relay) -> None:
    asked = Asked(context, relay)
    work, later = taken(site), now() + timedelta(seconds=LEASE_SECONDS - 1)
    agents.arrive(site, poll(running=(work.id,)), later)
    assert agents.take(site, poll("b"), later + timedelta(seconds=5)) == []
    answer(site, work)
    asked.end()


def test_parts_make_one_answer_and_a_part_may_be_sent_again(context: Flask, site: int, relay: Relay) -> None:
    asked = Asked(context, relay)
    work, raw = taken(site), encode(REPLY)
    agents.store(site, work.id, work.ticket, 0, raw[:3], last=False, now=now())
    agents.store(site, work.id, work.ticket, 0, raw[:5], last=False, now=now())
    agents.store(site, work.id, work.ticket, 1, raw[5:], last=True, now=now())
    assert asked.end() == REPLY


def test_what_cannot_be_read_is_an_error_and_no_answer(context: Flask, site: int, relay: Relay) -> None:
    asked, work = Asked(context, relay), taken(site)
    agents.store(site, work.id, work.ticket, 0, b"\xff\x00", last=True, now=now())
    with pytest.raises(MalformedAnswer):
        asked.end()


def test_a_call_that_cannot_be_opened_holds_none_of_the_others_up(
    context: Flask, site: int, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Asked(context, relay)
    with write() as session:
        session.execute(update(RelayCall).values(sealed=b"by another key"))
    asked = Asked(context, relay)
    wait_for(lambda: _waiting() == 2, "both calls to be there")
    assert agents.take(site, poll(free=1), now()) == []
    with pytest.raises(UemError, match="could not open the call: its keys were changed"):
        lost.end()
    assert "cannot be opened with the keys of this dashboard" in caplog.text
    answer(site, taken(site))
    assert asked.end() == REPLY


def test_what_an_agent_reports_keeps_its_type(context: Flask, site: int, relay: Relay) -> None:
    said = WireFailure(code="timed-out", sentence="uem.test did not answer in time.", advice="Wait.")
    asked = Asked(context, relay)
    answer(site, taken(site), Reply(failure=said))
    with pytest.raises(TimedOut, match="Through Connector Head office: uem"):
        asked.end()
    refused = WireFailure(code="x", sentence="It is not on its list.", advice="", refused_by_agent=True)
    asked = Asked(context, relay)
    answer(site, taken(site), Reply(failure=refused))
    with pytest.raises(ConnectorRefused, match="refused: It is not on its list"):
        asked.end()


def test_nobody_there_is_told_at_once(context: Flask) -> None:
    with pytest.raises(ConnectorRevoked):
        Relay(context, vault(), "Nowhere").ask(CALL, b"", Deadline(5), repeatable=True)
    id_, _ = connectors.add("Head office", "test", now())
    relay = Relay(context, vault(), "Head office")
    with pytest.raises(ConnectorUnavailable, match="has connected yet"):
        relay.ask(CALL, b"", Deadline(5), repeatable=True)
    agents.arrive(id_, poll(), now() - timedelta(minutes=5))
    with pytest.raises(ConnectorUnavailable, match="silent since"):
        relay.ask(CALL, b"", Deadline(5), repeatable=True)


def test_a_call_that_nobody_takes_ends_with_its_deadline(context: Flask, site: int, relay: Relay) -> None:
    with pytest.raises(TimedOut, match="No agent of Connector Head office took the call"):
        relay.ask(CALL, b"", Deadline(0.05), repeatable=True)


def test_a_call_that_waits_when_the_connector_is_revoked_ends(
    context: Flask, site: int, relay: Relay
) -> None:
    asked = Asked(context, relay)
    assert connectors.revoke(site, "test", now())
    with pytest.raises(ConnectorRevoked):
        asked.end()


def test_neither_call_nor_answer_is_readable_in_the_database(context: Flask, site: int, relay: Relay) -> None:
    asked = Asked(context, relay)
    assert b"secret" not in db.session.scalars(select(RelayCall.sealed)).one()
    db.session.rollback()
    work = taken(site)
    agents.store(site, work.id, work.ticket, 0, encode(REPLY)[:4], last=False, now=now())
    assert encode(REPLY)[:4] not in db.session.scalars(select(RelayPart.sealed)).one()
    db.session.rollback()
    agents.store(site, work.id, work.ticket, 1, encode(REPLY)[4:], last=True, now=now())
    asked.end()


def test_a_former_key_works_for_a_day_after_a_rotation_and_no_key_after_a_revocation(context: Flask) -> None:
    id_, first = connectors.add("Head office", "test", now())
    second = connectors.rotate(id_, "test", now())
    assert second
    assert (agents.authenticate(first, now()), agents.authenticate(second, now())) == (id_, id_)
    with pytest.raises(RefusedAgent):
        agents.authenticate(first, now() + timedelta(hours=25))
    assert connectors.revoke(id_, "test", now())
    for key in (first, second):
        with pytest.raises(RefusedAgent):
            agents.authenticate(key, now())
    assert connectors.rotate(id_, "test", now()) is None
    assert first not in str([entry.detail for entry in db.session.scalars(select(AuditEntry))])


def test_what_nobody_waits_for_any_more_is_forgotten(context: Flask, site: int, relay: Relay) -> None:
    asked = Asked(context, relay)
    connectors.forget_silent(now() + timedelta(days=8))
    with pytest.raises(ConnectorRevoked):
        asked.end()
    assert connectors.agents_of(site) == []
    assert db.session.get(Connector, site) is not None


def test_the_addresses_take_a_key_and_nothing_else(app: Flask) -> None:
    client = app.test_client()
    with app.app_context():
        _, key = connectors.add("Head office", "test", now())
    head = {"Authorization": f"Bearer {key}"}
    assert client.post(f"{PREFIX}/poll").status_code == 401
    assert client.post(f"{PREFIX}/poll", headers={"Authorization": "Bearer hmconnector_x"}).status_code == 401
    assert client.post(f"{PREFIX}/poll", headers=head, data=b"no message").status_code == 400
    empty = client.post(f"{PREFIX}/poll", headers=head, data=encode(poll(free=0)))
    assert (empty.status_code, decode_works(empty.data), empty.content_length) == (200, [], 1)
    missing = client.put(f"{PREFIX}/calls/none/parts/0", headers=head, data=b"x")
    assert (missing.status_code, missing.mimetype) == (409, "text/plain")


def test_a_body_in_chunks_is_no_larger_than_one_with_a_length(app: Flask) -> None:
    client = app.test_client()
    with app.app_context():
        _, key = connectors.add("Head office", "test", now())
    chunked = {"Authorization": f"Bearer {key}", "Transfer-Encoding": "chunked"}
    for method, path, largest in (("POST", "poll", 2**16), ("PUT", "calls/x/parts/0", PART_BYTES)):
        answer = client.open(
            f"{PREFIX}/{path}", method=method, headers=chunked, input_stream=BytesIO(b"x" * (largest + 1)),
            environ_overrides={"wsgi.input_terminated": True},
        )  # fmt: skip
        assert answer.status_code == 413, path


def test_a_key_makes_up_no_agents_without_end(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_MOST_AGENTS", 3)
    id_, _ = connectors.add("Head office", "test", now())
    for number in range(6):
        agents.arrive(id_, poll(f"a{number}"), now() + timedelta(seconds=number))
    assert [agent.code for agent in connectors.agents_of(id_)] == ["a5", "a4", "a3"]
    with pytest.raises(RefusedAgent) as refused:
        agents.arrive(id_, poll("a" * 33), now())
    assert refused.value.status == 400


def test_what_an_agent_says_is_as_long_as_a_sentence_may_be() -> None:
    endless = "wo\u202erd " * 10_000
    said = WireFailure(code="timed-out", sentence=endless, advice=endless)
    for refused in (False, True):
        error = failure("Head office", msgspec.structs.replace(said, refused_by_agent=refused))
        assert len(error.sentence + error.advice) < 1200
        assert error.sentence.isprintable()


def test_a_result_that_is_none_is_an_error_of_the_connector(context: Flask, site: int) -> None:
    odd = WireCheck(name="TLS", state="splendid", milliseconds=1, sentence="", advice=None)
    nobody = Connection("https://uem.test", Basic("", "", ""), None, OutboundPolicy())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(probe_of("Head office").look, nobody)
        wait_for(_waiting, "the question")
        answer(site, taken(site), Reply(checks=(odd,)))
        with pytest.raises(MalformedAnswer):
            asked.result(20)
