"""The token service: client credentials in the form or as a Basic header, and what its answer says."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote_plus

from harmony.uem.connection import OAuth2
from harmony.uem.errors import HtmlAnswer, MalformedAnswer, NotFound, SignInRefused
from harmony.uem.http.client import Transport
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer, refuse_non_data
from harmony.uem.workspace_one.errors import OAUTH_ADVICE
from harmony.uem.workspace_one.wire import loose_object

_USUAL_LIFE = 300.0
_LONGEST_LIFE = 3600.0
_LONGEST_TOKEN = 16 * 1024


class _ClientRefused(SignInRefused):
    """The service does not know the client, or does not read it from where it was sent (invalid_client)."""


class TokenService:
    """Asks for tokens. Some services read the client from the form, newer ones from a Basic header."""

    def __init__(self, transport: Transport, credentials: OAuth2) -> None:
        self._transport = transport
        self._credentials = credentials

    def fetch(self, by_header: bool | None, remember: Callable[[bool], None]) -> tuple[str, float]:
        """Return a token and its life in seconds. Raises UemError.

        `by_header` is the way that worked last, None when none did yet. The other way is tried once, and
        only after invalid_client: any other refusal counts against the account, whatever the way.
        """
        first = bool(by_header)
        try:
            found = self._ask(first)
        except _ClientRefused as refusal:
            try:
                found = self._ask(not first)
            except SignInRefused:
                raise refusal from None
            first = not first
        if first is not by_header:
            remember(first)
        return found

    def _ask(self, by_header: bool) -> tuple[str, float]:
        client = {
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        request = Request(
            "POST",
            "",
            headers={"Accept": "application/json"} | (_basic(client) if by_header else {}),
            form={"grant_type": "client_credentials"} | ({} if by_header else client),
            secret_of=self._transport.address.origin,
        )
        return self._transport.fetch(request, _read_token)


def _basic(client: dict[str, str]) -> dict[str, str]:
    """Return the header of RFC 6749, section 2.3.1: both parts encoded as in a form."""
    pair = ":".join(quote_plus(part) for part in client.values())
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _read_token(answer: Answer) -> tuple[str, float]:
    """Return the token and its life in seconds: 5 minutes by default, an hour at most, 0 for one use."""
    if answer.is_web_page and answer.status in {401, 403}:
        # The service itself answers in JSON: nothing is said of the client, who may try again.
        raise HtmlAnswer(
            f"A web page came with status {answer.status} from the token address: a proxy or firewall on "
            "the way refuses the call, or no token service is there.",
            "Check the token address, and that the firewall lets this dashboard call it.",
        )
    if answer.status == 404:
        raise NotFound(
            "There is no token service at the token address (status 404).",
            "Choose the region of your tenant; the address ends in /connect/token without a slash.",
        )
    refuse_non_data(answer)
    if answer.status >= 400:
        refusal = _ClientRefused if _is_invalid_client(answer) else SignInRefused
        raise refusal(f"The token service refuses the client (status {answer.status}).", OAUTH_ADVICE)
    row = loose_object(answer.body)
    token = row.get("access_token")
    if not isinstance(token, str) or not _is_sendable(token):
        raise MalformedAnswer("The token service answered without a usable token.")
    return token, _life(row.get("expires_in"))


def _is_invalid_client(answer: Answer) -> bool:
    if answer.status not in {400, 401}:
        return False
    try:
        error = loose_object(answer.body).text("error")
    except MalformedAnswer:
        return False
    return (error or "").strip().casefold() == "invalid_client"


def _is_sendable(token: str) -> bool:
    return 0 < len(token) <= _LONGEST_TOKEN and all("!" <= character <= "~" for character in token)


def _life(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else _USUAL_LIFE
    except (ValueError, OverflowError):
        return _USUAL_LIFE
    return min(seconds, _LONGEST_LIFE) if seconds >= 0 else _USUAL_LIFE
