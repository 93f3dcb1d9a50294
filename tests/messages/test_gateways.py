"""SMS and chat against a gateway on a real socket, under the outbound policy (rung: S)."""

from __future__ import annotations

import gzip
import inspect
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module

import pytest
from apprise.utils.parse import parse_list

from harmony.mail.envelope import DeliveryError, Envelope, RecipientRefused
from harmony.messages.gateway_address import CHAT_SERVICES, SMS_SERVICES, address_fault
from harmony.messages.gateways import ApprisedService, GatewayRefused, GatewayUnreachable, Webhook
from harmony.messages.results import NotConfigured
from harmony.models import ChannelKind
from harmony.uem.http import checked_calls
from harmony.uem.trust.outbound import OutboundPolicy

POLICY = OutboundPolicy(allow_http=True, allow_loopback=True)
SMS = Envelope("+47 22 12 34 56", "Your code is 123.")


class Gateway(HTTPServer):
    status, body, encoding = 202, b"accepted", ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, dict[str, object], str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers.get("Idempotency-Key", "")
        self.server.received.append((self.path, json.loads(raw), key))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        with suppress(ConnectionError):  # whoever has read enough hangs up
            self.wfile.write(self.server.body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[Gateway]:
    gateway = Gateway()
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


def webhook(gateway: Gateway, policy: OutboundPolicy = POLICY) -> Webhook:
    return Webhook(f"{gateway.url}/sms?token=t%20k", ChannelKind.SMS, policy)


def test_a_webhook_gets_number_text_and_the_reference_that_each_try_has() -> None:
    with running() as gateway:
        assert webhook(gateway).send(SMS, "7.1") == "202 accepted"
    ((path, body, key),) = gateway.received
    assert path == "/sms?token=t%20k"
    assert body == {"id": "7.1", "to": "+4722123456", "text": "Your code is 123."}
    assert key == "7.1"


@pytest.mark.parametrize(
    ("status", "error", "of_channel"),
    [
        (401, GatewayRefused, True),
        (429, GatewayRefused, True),
        (500, GatewayRefused, True),
        (302, GatewayRefused, True),
        (422, RecipientRefused, False),
    ],
)
def test_a_refusal_says_what_was_answered_without_the_number(
    status: int, error: type[DeliveryError], of_channel: bool
) -> None:
    with running() as gateway:
        gateway.status, gateway.body = status, b"cannot reach +4722123456"
        with pytest.raises(error) as refused:
            webhook(gateway).send(SMS, "7.1")
    assert f"{status} cannot reach (number)" in refused.value.sentence
    assert refused.value.of_channel is of_channel
    assert len(gateway.received) == 1


def test_a_gateway_that_may_not_be_called_is_not_called() -> None:
    with running() as gateway:
        for policy in (OutboundPolicy(allow_http=True), OutboundPolicy(allow_loopback=True)):
            with pytest.raises(GatewayUnreachable):
                webhook(gateway, policy).send(SMS, "7.1")
    assert gateway.received == []


def test_a_gateway_that_is_down_or_slow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as gateway:
        pass
    with pytest.raises(GatewayUnreachable, match="Nothing listens at"):
        webhook(gateway).send(SMS, "7.1")
    silent = Gateway()  # it takes connections and never answers
    monkeypatch.setattr(checked_calls, "CALL_SECONDS", 0.3)
    try:
        with pytest.raises(GatewayUnreachable):
            webhook(silent).send(SMS, "7.1")
    finally:
        silent.server_close()


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    """Neither plain nor as a small file that unpacks to a large one."""
    large = b"x" * (checked_calls.LARGEST_ANSWER + 1)
    for body, encoding in ((large, ""), (gzip.compress(large), "gzip")):
        with running() as gateway:
            gateway.body, gateway.encoding = body, encoding
            with pytest.raises(GatewayUnreachable, match="larger than 1 MiB"):
                webhook(gateway).send(SMS, "7.1")


@pytest.mark.parametrize("number", ["", "kim@example.com", "12; DROP", "+4722\r\n123456", "1" * 16])
def test_what_is_no_number_is_never_sent(number: str) -> None:
    with running() as gateway, pytest.raises(RecipientRefused):
        webhook(gateway).send(Envelope(number, "text"), "7.1")
    assert gateway.received == []


def test_a_service_of_apprise_calls_under_the_policy_too() -> None:
    address = "mmosts://127.0.0.1:{port}/" + "a" * 24
    with running() as gateway:
        url = address.format(port=gateway.server_port)
        with pytest.raises(GatewayUnreachable, match="may not be called"):
            ApprisedService(url, ChannelKind.CHAT, OutboundPolicy()).send(Envelope("", "text"), "7.1")
        # Over TLS, which this gateway does not speak: the call was made, and its failure is told.
        with pytest.raises(GatewayUnreachable, match="TLS"):
            ApprisedService(url, ChannelKind.CHAT, POLICY).send(Envelope("", "text"), "7.1")
    assert gateway.received == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "dbus://", "syslog://x", "exec://ls", "json://localhost/"]
)
def test_no_scheme_that_touches_this_machine_is_taken(url: str) -> None:
    assert address_fault(url, "chat")
    with pytest.raises(NotConfigured):
        ApprisedService(url, ChannelKind.CHAT, POLICY).send(Envelope("", "text"), "7.1")


@pytest.mark.parametrize("service", sorted([*SMS_SERVICES, *CHAT_SERVICES]))
def test_every_service_calls_with_get_and_post_of_requests_alone(service: str) -> None:
    module_name, class_name = {**SMS_SERVICES, **CHAT_SERVICES}[service]
    module = import_module(f"apprise.plugins.{module_name}")
    assert service in parse_list(getattr(module, class_name).secure_protocol)
    source = inspect.getsource(module)
    assert set(re.findall(r"requests\.([a-z]\w*)\(", source)) <= {"get", "post", "request"}
    assert not re.search(r"^(import|from) (socket|smtplib|subprocess|urllib3|http)\b", source, re.MULTILINE)


def test_outside_of_a_policy_no_call_is_made_and_no_session_is_given() -> None:
    calls = checked_calls.CheckedCalls()
    for name in ("Session", "put", "api", "sessions"):
        with pytest.raises(AttributeError):
            getattr(calls, name)
    with pytest.raises(AttributeError):
        calls.get("https://example.com")
