"""An OpenID provider on loopback whose every answer a test may spoil."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from harmony.oidc.tokens import LOGOUT_EVENT
from tests.canaries import watch

CLIENT_ID = "harmony dashboard"
CLIENT_SECRET = "canary:of the+client%secret"
watch(CLIENT_SECRET)
Key = RSAKey | ECKey


class FakeProvider:
    """Signs anybody in. `spoiled` replaces answers by path, `claims` and `metadata` add to what it says."""

    def __init__(self) -> None:
        self.keys: list[RSAKey | ECKey] = [RSAKey.generate_key(2048, {"kid": "first"})]
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.spoiled: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.signer: tuple[str, Key] | None = None
        self.unsigned: str | None = None
        self.calls: list[str] = []
        self._grants: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def discovery(self) -> dict[str, Any]:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return said | self.metadata

    def approve(self, location: str, **changes: str | None) -> str:
        """Sign somebody in at the address that a browser was sent to; return the way back."""
        assert location.startswith(f"{self.issuer}/authorize?")
        asked = dict(parse_qsl(urlsplit(location).query))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(8)
        self._grants[code] = asked
        answer = {"state": asked["state"], "code": code, "iss": self.issuer} | changes
        back = urlsplit(asked["redirect_uri"]).path
        return f"{back}?{urlencode({name: value for name, value in answer.items() if value is not None})}"

    def logout_token(self, **changes: Any) -> str:
        """Return a logout token; a change to None takes the claim out."""
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": int(time.time()), "exp": int(time.time()) + 120,
            "jti": secrets.token_hex(8), "sub": "kim-1", "events": {LOGOUT_EVENT: {}},
        } | changes  # fmt: skip
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def sign(self, claims: dict[str, Any]) -> str:
        if self.unsigned is not None:
            parts = ({"alg": self.unsigned, "kid": self.keys[-1].kid}, claims)
            signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
            return f"{signed}.{self._shared_secret(signed) if self.unsigned == 'HS256' else ''}"
        algorithm, key = self.signer or ("RS256", self.keys[-1])
        return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])

    def _shared_secret(self, signed: str) -> str:
        """Sign with the published key as if it were a shared secret."""
        public = self.keys[-1].as_pem(private=False)
        return _encoded(hmac.new(public, signed.encode(), hashlib.sha256).digest())

    def answer(self, path: str, headers: Any, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, self.discovery()
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        if path == "/userinfo":
            assert headers["Authorization"] == "Bearer opaque"
            return 200, {"sub": "kim-1"} | self.userinfo
        if path == "/token":
            return self._token(headers, form)
        return 404, {}

    def _token(self, headers: Any, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        posted = [form.get("client_id"), form.get("client_secret")]
        sent = [unquote(part) for part in pair.split(":")] if pair else posted
        if sent != [CLIENT_ID, CLIENT_SECRET]:
            return 401, {"error": "invalid_client"}
        asked = self._grants.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if asked is None or _encoded(digest) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        assert form["redirect_uri"] == asked["redirect_uri"]
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "kim-1", "iat": int(time.time()),
            "exp": int(time.time()) + 300, "nonce": asked["nonce"], "preferred_username": "kim",
            "groups": ["everybody", "harmony-operators"], "sid": "session-1",
        } | self.claims  # fmt: skip
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return 200, {"id_token": token, "access_token": "opaque", "token_type": "Bearer"}


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """A provider until the end of the block."""
    provider = FakeProvider()
    try:
        yield provider
    finally:
        provider.stop()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            provider.calls.append(path)
            if path in provider.spoiled:
                status, headers, body = provider.spoiled[path]
            else:
                status, said = provider.answer(path, self.headers, form)
                headers, body = {"Content-Type": "application/json"}, json.dumps(said).encode()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler
