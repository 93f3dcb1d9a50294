"""Passwords: Argon2id with argon2-cffi's defaults, a few at once, and which passwords are refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Semaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_SHORTEST = 12
_LONGEST = 1024
_SHORTEST_NAME_LOOKED_FOR = 3
_FEWEST_CHARACTERS = 5
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")

# The words of this product and of its neighbours, and those that stand in most guessed passwords.
# The longer ones come first, so that "administrator" is not taken for "admin" and a rest.
_PREDICTABLE = re.compile(
    "administrator|workspaceone|checkpoint|dashboard|workspace|password|passw0rd|changeme|airwatch|security"
    "|harmony|omnissa|welcome|letmein|default|mobile|threat|defence|defense|vmware|qwertz|qwerty|secret"
    "|azerty|admin|login|setup|asdf|test|demo|user|root|pass|uem|mtd|one"
)

_hasher = PasswordHasher()
# The hash of nothing anybody can type, with the same costs as a real one; checked when there is no such
# user, so that the time of the answer does not tell.
_NOBODY = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


# Each hash takes 64 MiB, and each wait a thread of the server.
MOST_AT_ONCE = 2
MOST_WAITING = 6
LONGEST_WAIT_SECONDS = 5.0
_running = Semaphore(MOST_AT_ONCE)
_admitted = Semaphore(MOST_AT_ONCE + MOST_WAITING)


class TooManyAtOnce(Exception):
    """So many passwords are being hashed that this one was not; `retry_after` is in seconds."""

    retry_after = 2


def hash_password(password: str) -> str:
    """Return Argon2id in its usual text form. About 0.2 s and 64 MiB: never inside `write()`.

    Raises TooManyAtOnce.
    """
    with _slot():
        return _hasher.hash(_normal(password))


def check_password(stored: str | None, given: str) -> bool:
    """Return whether `given` is the password behind `stored`; False, after the same time, if that is none.

    Raises TooManyAtOnce, which says nothing about the password.
    """
    try:
        with _slot():
            return _hasher.verify(stored or _NOBODY, _normal(given)) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


@contextmanager
def _slot() -> Iterator[None]:
    """Wait for one of the few places. Raises TooManyAtOnce when too many wait already, or it takes long."""
    if not _admitted.acquire(blocking=False):
        raise TooManyAtOnce
    try:
        if not _running.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise TooManyAtOnce
        try:
            yield
        finally:
            _running.release()
    finally:
        _admitted.release()


def needs_rehash(stored: str) -> bool:
    """Tell whether `stored` was made with other costs than today's."""
    return _hasher.check_needs_rehash(stored)


def password_problem(password: str, name: str) -> str | None:
    """Return one sentence saying why `password` is refused for the user `name`; None when it is fit."""
    folded, name = _normal(password).casefold(), _normal(name).strip().casefold()
    if len(password) < _SHORTEST:
        return f"A password has at least {_SHORTEST} characters."
    if len(password) > _LONGEST:
        return f"A password has at most {_LONGEST} characters."
    if len(name) >= _SHORTEST_NAME_LOOKED_FOR and name in folded:
        return "The password must not contain the user name."
    if folded in _common() or _is_predictable(folded) or len(set(folded)) < _FEWEST_CHARACTERS:
        return "This password is among the first that are guessed; choose another one."
    return None


def _is_predictable(folded: str) -> bool:
    """Tell whether nothing is left but digits and signs once the predictable words are taken out."""
    rest = _PREDICTABLE.sub("", folded)
    return rest != folded and not any(character.isalpha() for character in rest)


def _normal(text: str) -> str:
    """Return one spelling of what keyboards and systems encode differently (NIST SP 800-63B asks for it)."""
    return unicodedata.normalize("NFKC", text)


@cache
def _common() -> frozenset[str]:
    lines = _COMMON_PASSWORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
