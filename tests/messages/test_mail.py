"""Mail against a real SMTP server: up, slow, refusing, badly certified, and nothing there (rung: S)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from harmony.mail import smtp
from harmony.mail.envelope import DeliveryError, Envelope, InlineImage, RecipientRefused
from harmony.mail.faults import (
    NONE,
    STARTTLS,
    TLS,
    MailAccess,
    MailServerUnfit,
    MailServerUnreachable,
    MailSignInRefused,
    SenderRefused,
)
from harmony.mail.smtp import open_mail
from harmony.uem.trust.outbound import DEFAULT_POLICY, OutboundPolicy
from tests.faults.certs import Made, a_certificate

POLICY = OutboundPolicy(allow_loopback=True)
LETTER = Envelope("kim@example.com", "plain", "Hello", "<img src='cid:code'>", (InlineImage("code", b"PNG"),))
USER, PASSWORD = "harmony", "correct horse"


class Handler:
    """Keeps what was sent, and answers as it is told to."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.kept: list[tuple[list[str], bytes]] = []

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _o: Any) -> str:
        envelope.mail_from = address
        return self.answers.get("mail", "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _o: Any) -> str:
        answer = self.answers.get("rcpt", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.kept.append((envelope.rcpt_tos, envelope.content))
        return self.answers.get("data", "250 queued as 42")


class _TlsController(Controller):
    def _trigger_server(self) -> None:
        """Say hello as a client that trusts everybody: the first connection makes the server ready."""
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((self.hostname, self.port), 5) as plain,
            trusting.wrap_socket(plain) as connection,
        ):
            connection.recv(1024)


@contextmanager
def served(handler: Handler, make: type[Controller] = Controller, **options: Any) -> Iterator[MailAccess]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = make(handler, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield MailAccess("127.0.0.1", port, NONE, "harmony@example.org", "Harmony")
    finally:
        controller.stop()


def sent(access: MailAccess, envelope: Envelope = LETTER, reference: str = "7.1") -> str:
    with open_mail(access, POLICY) as sender:
        return sender.send(envelope, reference)


def context_of(made: Made, folder: Path) -> ssl.SSLContext:
    file = folder / "server.pem"
    file.write_text(made.pem + made.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def only_with(password: str) -> Callable[..., AuthResult]:
    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == password.encode(), handled=False)

    return check


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Made, ssl.SSLContext]:
    certificate = a_certificate("127.0.0.1")
    return certificate, context_of(certificate, tmp_path)


def test_a_mail_arrives_with_its_parts_and_the_answer_is_returned() -> None:
    handler = Handler()
    with served(handler) as access:
        assert sent(access) == "250 queued as 42"
    recipients, raw = handler.kept[0]
    arrived = message_from_bytes(raw, policy=policy.default)
    assert recipients == ["kim@example.com"]
    assert (arrived["Subject"], arrived["Message-ID"]) == ("Hello", "<7.1@example.org>")
    kinds = [part.get_content_type() for part in arrived.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "image/png"]


def test_each_try_has_the_same_message_id() -> None:
    handler = Handler()
    with served(handler) as access:
        sent(access)
        sent(access)
    ids = {message_from_bytes(raw)["Message-ID"] for _recipients, raw in handler.kept}
    assert len(ids) == 1


def test_nothing_in_subject_or_recipient_adds_a_header_or_a_recipient() -> None:
    handler = Handler()
    with served(handler) as access:
        sent(access, replace(LETTER, subject="Hello\r\nBcc: eve@example.com"))
        for recipient in ("kim@example.com\r\nBcc: eve@example.com", "kim@example.com,eve@example.com", ""):
            with pytest.raises(RecipientRefused) as refused:
                sent(access, replace(LETTER, recipient=recipient))
            assert refused.value.permanent
    (recipients, raw), *others = handler.kept
    assert others == []
    assert recipients == ["kim@example.com"]
    assert message_from_bytes(raw)["Bcc"] is None


@pytest.mark.parametrize(
    ("answers", "permanent"),
    [
        ({"rcpt": "550 5.1.1 <kim@example.com>: unknown"}, True),
        ({"rcpt": "450 4.2.1 greylisted"}, False),
        ({"data": "554 5.7.1 spam"}, True),
        ({"data": "452 4.3.1 full"}, False),
    ],
)
def test_a_refused_message_says_why_without_its_address(answers: dict[str, str], permanent: bool) -> None:
    with served(Handler(**answers)) as access, pytest.raises(RecipientRefused) as refused:
        sent(access)
    assert refused.value.permanent is permanent
    assert next(iter(answers.values()))[:3] in refused.value.sentence
    assert "kim@example.com" not in str(refused.value)


def test_after_a_refused_recipient_the_same_connection_goes_on() -> None:
    handler = Handler(rcpt="550 no")
    with served(handler) as access, open_mail(access, POLICY) as sender:
        with pytest.raises(RecipientRefused):
            sender.send(LETTER, "1")
        handler.answers = {}
        assert sender.send(LETTER, "2") == "250 queued as 42"


def test_a_refused_sender_is_a_fault_of_the_channel() -> None:
    with served(Handler(mail="553 not yours")) as access, pytest.raises(SenderRefused) as refused:
        sent(access)
    assert refused.value.of_channel


def test_a_server_that_is_down_or_unknown_or_forbidden_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MailServerUnreachable, match="Nothing listens at"):
        sent(MailAccess("127.0.0.1", port, NONE, "harmony@example.org"))
    with (
        pytest.raises(MailServerUnreachable, match="may not be called"),
        open_mail(MailAccess("127.0.0.1", port, NONE, "harmony@example.org"), DEFAULT_POLICY),
    ):
        pass


def test_a_server_that_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "OPEN_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = MailAccess("127.0.0.1", silent.getsockname()[1], NONE, "harmony@example.org")
        with pytest.raises(MailServerUnreachable, match="did not finish"):
            sent(access)


def test_starttls_with_the_authority_that_was_uploaded(certified: tuple[Made, ssl.SSLContext]) -> None:
    made, context = certified
    with served(Handler(), tls_context=context, require_starttls=True) as access:
        assert sent(replace(access, security=STARTTLS, certificate=made.pem)).startswith("250")


def test_starttls_with_a_certificate_nobody_vouches_for(certified: tuple[Made, ssl.SSLContext]) -> None:
    with (
        served(Handler(), tls_context=certified[1]) as access,
        pytest.raises(MailServerUnreachable) as untrusted,
    ):
        sent(replace(access, security=STARTTLS))
    assert "certificate" in untrusted.value.sentence
    assert "Messages page" in untrusted.value.advice


def test_tls_from_the_first_byte(certified: tuple[Made, ssl.SSLContext]) -> None:
    made, context = certified
    with served(Handler(), _TlsController, ssl_context=context) as access:
        assert sent(replace(access, security=TLS, certificate=made.pem)).startswith("250")


def test_a_server_without_starttls_is_not_spoken_to_in_clear() -> None:
    handler = Handler()
    with served(handler) as access, pytest.raises(MailServerUnfit, match="does not offer STARTTLS"):
        sent(replace(access, security=STARTTLS))
    assert handler.kept == []


def test_a_wrong_password_is_told_and_the_right_one_works(certified: tuple[Made, ssl.SSLContext]) -> None:
    made, context = certified
    with served(
        Handler(), tls_context=context, authenticator=only_with(PASSWORD), auth_required=True
    ) as access:
        signed = replace(access, security=STARTTLS, certificate=made.pem, username=USER, password=PASSWORD)
        assert sent(signed).startswith("250")
        with pytest.raises(MailSignInRefused) as refused:
            sent(replace(signed, password="wrong"))
    assert refused.value.of_channel
    assert PASSWORD not in repr(signed)
    assert isinstance(refused.value, DeliveryError)
