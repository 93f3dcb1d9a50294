"""Sign-ins that were sent to the provider: bound to one browser, ten minutes long, used once."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec
from sqlalchemy import delete, or_

from harmony.clock import within
from harmony.db import changed, write
from harmony.models import SignOnFlow
from harmony.oidc.errors import FlowLost
from harmony.oidc.metadata import ProviderMetadata
from harmony.security.vault import VaultLocked, vault

KEPT_FOR = timedelta(minutes=10)
# Any age: with it the provider has to say when it asked, which a test looks for.
_A_DAY = "86400"
_LOST = "This sign-in was not started in this browser, was used already, or took too long."


class FlowSecrets(msgspec.Struct, frozen=True):
    """The nonce that must come back, the PKCE verifier, and the page that the person wanted."""

    nonce: str
    verifier: str
    redirect_uri: str
    target: str
    fresh_since: int = 0

    def __repr__(self) -> str:
        return "<FlowSecrets>"


@dataclass(frozen=True, slots=True)
class FlowStart:
    """The browser that starts a sign-in, the page it goes to afterwards, and the test it is for, if any.

    `fresh_since`: the second from which on the provider must have asked who it is, 0 for any.
    """

    browser: str
    target: str
    redirect_uri: str
    test_id: str | None = None
    fresh_since: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in whose answer has come."""

    secrets: FlowSecrets
    test_id: str | None


def new_browser() -> str:
    """Return a new key for a browser's cookie."""
    return secrets.token_urlsafe(32)


def begin(metadata: ProviderMetadata, client_id: str, scopes: str, start: FlowStart, now: datetime) -> str:
    """Store a new sign-in and return the address at the provider that the browser goes to."""
    state = secrets.token_urlsafe(32)
    kept = FlowSecrets(
        secrets.token_urlsafe(32),
        secrets.token_urlsafe(48),
        start.redirect_uri,
        start.target,
        start.fresh_since,
    )
    _store(state, start.browser, kept, start.test_id, now)
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": start.redirect_uri,
        "scope": scopes,
        "state": state,
        "nonce": kept.nonce,
        "code_challenge": challenge(kept.verifier),
        "code_challenge_method": "S256",
    } | _question(start)
    endpoint = metadata.authorization_endpoint
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(query)


def _question(start: FlowStart) -> dict[str, str]:
    """Return the parameters that have the provider ask who it is, and say when it did (Core §3.1.2.1)."""
    if start.fresh_since:
        return {"prompt": "login", "max_age": "0"}
    return {"max_age": _A_DAY} if start.test_id else {}


def keep_address(address: str, now: datetime) -> str:
    """Keep an address for one page that is opened once. Return the key that `take` finds it by, twice."""
    key = secrets.token_urlsafe(32)
    _store(key, key, FlowSecrets("", "", "", address), None, now)
    return key


def take(state: str | None, browser: str | None, now: datetime) -> Flow:
    """Return the sign-in of this state and browser, which nobody can take again. Raises FlowLost."""
    if not state or not browser:
        raise FlowLost(_LOST)
    with write() as session:
        row = session.get(SignOnFlow, _hash(state))
        if row is None or not secrets.compare_digest(row.browser_hash, _hash(browser)):
            raise FlowLost(_LOST)
        sealed, test_id, is_fresh = row.sealed, row.test_id, within(row.started_at, KEPT_FOR, now)
        is_first = changed(session, delete(SignOnFlow).where(SignOnFlow.state_hash == _hash(state))) == 1
    if not is_first or not is_fresh:
        raise FlowLost(_LOST)
    try:
        kept = msgspec.json.decode(vault().open(sealed, _bound_to(_hash(state))), type=FlowSecrets)
    except (VaultLocked, msgspec.MsgspecError):
        raise FlowLost(_LOST) from None
    return Flow(kept, test_id)


def sweep(now: datetime) -> None:
    """Delete the sign-ins that nobody came back from."""
    started = SignOnFlow.started_at
    with write() as session:
        session.execute(delete(SignOnFlow).where(or_(started <= now - KEPT_FOR, started >= now + KEPT_FOR)))


def challenge(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636 §4.2).

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bound_to(state_hash: str) -> str:
    """Name what the secrets of a sign-in are bound to."""
    return f"sign_on_flow:{state_hash}"


def _store(state: str, browser: str, kept: FlowSecrets, test_id: str | None, now: datetime) -> None:
    state_hash = _hash(state)
    sealed = vault().seal(msgspec.json.encode(kept).decode(), _bound_to(state_hash))
    row = SignOnFlow(
        state_hash=state_hash,
        browser_hash=_hash(browser),
        test_id=test_id,
        started_at=now,
        sealed=sealed,
    )
    with write() as session:
        session.add(row)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
