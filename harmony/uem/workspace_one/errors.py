"""What a refusal of the Workspace ONE API means; its text is never shown, only its codes are read."""

from __future__ import annotations

from harmony.uem.errors import (
    AccountLocked,
    ApiKeyRefused,
    Forbidden,
    MalformedAnswer,
    NotFound,
    RequestRefused,
    SignInRefused,
    UemError,
)
from harmony.uem.http.response import Answer
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.wire import loose_object

BASIC_ADVICE = (
    "Check user name and password. The account must be a Basic-type administrator with an API role: "
    "Accounts > Administrators > List View. It is not tried again, so that the account is not locked."
)
OAUTH_ADVICE = (
    "Check the client under Groups & Settings > Configurations > OAuth Client Management, and its role."
)
_IN_ITS_PLACE = "If that is right already, let the firewall or proxy in front of the UEM pass our calls."


def refuse_failures(answer: Answer, call: Call, advice: str) -> None:
    """Raises the error for a status of 400 and above; `advice` is what to do when the sign-in is refused."""
    if answer.status < 400:
        return
    code = _error_code(answer)
    if code == 1022:
        raise AccountLocked("The administrator account is locked (errorCode 1022).")
    if code == 1013:
        raise ApiKeyRefused("The API key belongs to no organization group (errorCode 1013).")
    # An unknown application answers 401 with 7000: not a matter of credentials (facts/ws1-api.md §2.2).
    if (
        answer.status == 404
        or (answer.status == 401 and code == 7000)
        or (answer.status == 400 and code in {6, 400} and call.method == "GET")
    ):
        raise NotFound(f"The UEM does not find what was asked for (status {answer.status}{_said(code)}).")
    page = _as_web_page(answer.status, call, advice) if answer.is_web_page else None
    raise page or _other(answer.status, code, call, advice)


def _as_web_page(status: int, call: Call, advice: str) -> UemError | None:
    """Name both who may have refused: IIS sends its own 401 and 403 as web pages, as firewalls do theirs."""
    came = f"A web page came with status {status}, not an answer of the API:"
    if status == 401:
        sentence = f"{came} the UEM refuses the credentials, or a proxy on the way asks for a sign-in."
        return SignInRefused(sentence, f"{advice} {_IN_ITS_PLACE}")
    if status == 403:
        permission = call.value.permission
        sentence = f"{came} the account lacks {permission}, or a firewall refuses the call."
        role = f"Give the role {permission} under Accounts > Administrators > Roles."
        return Forbidden(sentence, f"{role} {_IN_ITS_PLACE}")
    return None


def _other(status: int, code: int | None, call: Call, advice: str) -> UemError:
    if status == 401:
        return SignInRefused(f"The UEM refuses the credentials (status 401{_said(code)}).", advice)
    if status == 403:
        permission = call.value.permission
        return Forbidden(
            f"The account may not do this (status 403{_said(code)}); it lacks {permission}.",
            f"Give the role {permission} under Accounts > Administrators > Roles.",
        )
    if status == 406:
        version = call.value.version
        return RequestRefused(f"The UEM does not offer version {version} of this call (status 406).")
    refusal = RequestRefused(f"The UEM declined the call (status {status}{_said(code)}).")
    refusal.status = status
    return refusal


def _error_code(answer: Answer) -> int | None:
    """Return the errorCode of an error body; older servers send a number, newer ones text."""
    try:
        text = loose_object(answer.body).text("errorCode")
    except MalformedAnswer:
        return None
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _said(code: int | None) -> str:
    return f", errorCode {code}" if code is not None else ""
