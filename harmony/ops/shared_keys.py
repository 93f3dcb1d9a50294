"""The keys of this process and those of the installation: nodes with other keys are refused at the start."""

from __future__ import annotations

import hashlib
from datetime import datetime

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import release, write
from harmony.jobs.presence import others_alive
from harmony.models import Installation, VaultCanary
from harmony.ops.migrate import installation
from harmony.security.vault import VaultLocked, vault
from harmony.setup.secrets import CANARY

_SAME = "Give every node the same HARMONY_{name}, or the file {file} of a node that runs."


class KeysDiffer(Exception):
    """This node has other keys than the installation. What to do, in sentences; no key."""


def refuse_other_keys(now: datetime, *, apart: bool) -> None:
    """Compare the keys with those that the installation works with. Raise KeysDiffer.

    A node that is started as a part never replaces keys. Nor does a whole one while other processes run:
    what they have sealed would be taken for lost, and every integration stopped.
    """
    try:
        is_alone = not (apart or others_alive(now))
        with write() as session:  # who starts at the same time waits here, and compares with what we write
            row = installation(session)
            if not is_alone:
                _refuse_others(session, row)
            row.queue_key = _fingerprint()
    finally:
        release()


def _refuse_others(session: Session, row: Installation) -> None:
    """Compare, inside the caller's `write()`; the first node writes the canary, too."""
    canary = session.scalar(select(VaultCanary.sealed))
    if canary is None:
        session.add(VaultCanary(sealed=vault().seal(CANARY, CANARY)))
    elif not _opens(canary):
        _refuse("What the other nodes have sealed cannot be opened", "VAULT_KEYS", "vault.keys")
    if row.queue_key not in {None, _fingerprint()}:
        _refuse("Messages of the other nodes cannot be read", "SECRET_KEY", "secret.key")


def _fingerprint() -> str:
    """Return what tells two keys of the queue apart, and nothing else about them."""
    key = str(current_app.config["SECRET_KEY"])
    return hashlib.sha256(b"harmony queue key\0" + key.encode()).hexdigest()[:32]


def _opens(sealed: str) -> bool:
    try:
        return vault().open(sealed, CANARY) == CANARY
    except VaultLocked:
        return False


def _refuse(sentence: str, name: str, file: str) -> None:
    raise KeysDiffer(f"{sentence}: the keys of this node are others. {_SAME.format(name=name, file=file)}")
