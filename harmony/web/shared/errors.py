"""Error pages: what happened, what was kept safe, the next step; never a trace."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from urllib.parse import quote

from flask import Flask, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from harmony.db import db
from harmony.device_api.routes import ERRORS
from harmony.security.addresses import below_prefix, full_address, has_dots, is_path, local_address
from harmony.security.auth import is_api_path
from harmony.security.bare_page import bare_page
from harmony.security.credentials import NEVER_ECHOED
from harmony.security.former_addresses import page_now
from harmony.security.permissions import NotPermitted
from harmony.security.vault import VaultLocked

log = logging.getLogger(__name__)

_ANSWERS = "harmony.error_answers"
_ErrorAnswer = Callable[[HTTPException], ResponseReturnValue]

# title, text, advice; the text gives way to what the code said with abort(…, description).
_PAGES = {
    400: ("Bad request", "The request could not be understood.", "Go back and try again."),
    403: (
        "Refused",
        "This request did not come from a page of this dashboard.",
        "Reload the page and try again.",
    ),
    404: (
        "Not found",
        "There is nothing at this address, or it was removed.",
        "Start again from the navigation.",
    ),
    405: (
        "Not possible here",
        "This address does not answer this kind of request.",
        "Go back and use the page.",
    ),
    409: ("Changed meanwhile", "Something else changed this in the meantime.", "Look at what it is now."),
    413: ("Too large", "The request is larger than this dashboard accepts.", "Send less at once."),
    429: ("Too many tries", "This was tried too often.", "Wait a moment, then try again."),
}


def init_app(app: Flask) -> None:
    """Answer every error with a page of our own."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(VaultLocked, _locked)
    app.register_error_handler(OperationalError, _busy)
    app.register_error_handler(Exception, _unexpected)


def answer_programs(app: Flask, prefix: str, answer: _ErrorAnswer) -> None:
    """Let `answer` answer what Flask refuses below a path whose clients are programs."""
    app.extensions.setdefault(_ANSWERS, {})[prefix] = answer


def _answer_program(error: HTTPException) -> ResponseReturnValue:
    answers: dict[str, _ErrorAnswer] = current_app.extensions.get(_ANSWERS, {})
    named = (answer for prefix, answer in answers.items() if request.path.startswith(prefix))
    return next(named, ERRORS.answer_http_error)(error)


def _http(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if code < 400:
        return error
    if is_api_path(request.path):
        return _answer_program(error)
    if code == 405 and request.method in {"GET", "HEAD"} and (page := _page_of_form(request.path)):
        return redirect(_with_query(page), 303)
    if code == 404 and request.endpoint is None and (page := page_now()):
        return redirect(_with_query(page), 308)
    title, text, advice = _PAGES.get(code, (error.name, "The request failed.", "Go back and try again."))
    if error.description and error.description != type(error).description:
        text = error.description
    if isinstance(error, NotPermitted):
        title, advice = "Not permitted", error.advice
    headers = [
        pair for pair in error.get_headers() if pair[0].lower() not in {"content-type", "content-length"}
    ]
    return _page(code, title, text, advice), code, headers


def _with_query(page: str) -> str:
    query, path = request.query_string.decode("ascii", "ignore"), quote(page)
    return below_prefix(f"{path}?{query}" if query else path)


def _page_of_form(path: str) -> str | None:
    """Find the page that holds the form which posts to `path`: the nearest address above it that can be read.

    A refused form leaves its own address in the browser's bar, and Reload asks for it with GET. None when
    nothing above it is a page.
    """
    above = path if is_path(path) and not has_dots(path) else "/"
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # there is a request
    while len(above) > 1:
        above = above.rpartition("/")[0] or "/"
        try:
            adapter.match(above, "GET")
        except (HTTPException, RequestRedirect):
            continue
        return above
    return None


def _locked(error: VaultLocked) -> ResponseReturnValue:
    return _page(503, "The stored secrets are locked", error.sentence, error.advice), 503


def _busy(error: OperationalError) -> ResponseReturnValue:
    db.session.rollback()
    log.error("The database did not answer: %s", error.orig)
    text = "The database is busy or cannot be written. Nothing was half saved."
    advice = "Try again in a moment. If it stays, check the disk of the machine Harmony runs on."
    typed = [pair for pair in request.form.items(multi=True) if pair[0] not in NEVER_ECHOED]
    page = _page(503, "The database does not answer", text, advice, typed=typed)
    return page, 503, [("Retry-After", "5")]


def _unexpected(error: Exception) -> ResponseReturnValue:
    if current_app.testing:
        raise error
    db.session.rollback()
    error_id = secrets.token_hex(4)
    log.exception("Unexpected error %s", error_id)
    text = "Harmony ran into an internal error. Nothing was half saved."
    return _page(
        500, "Something went wrong", text, "The log has the details under this number.", error_id=error_id
    ), 500


def _page(
    code: int,
    title: str,
    text: str,
    advice: str,
    *,
    error_id: str | None = None,
    typed: Sequence[tuple[str, str]] = (),
) -> str:
    about = {"code": code, "title": title, "text": text, "advice": advice, "error_id": error_id}
    try:
        return render_template("error.html", **about, typed=typed, again=local_address(full_address()))
    except Exception:  # what surrounds a page asks the database, which may be what is broken
        log.exception("The page of an error could not be made")
        db.session.rollback()
        return bare_page(title, f"{text} {advice}").decode()
