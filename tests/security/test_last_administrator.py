"""Rung R: one administrator stays, however many changes come at once, on both databases."""

from __future__ import annotations

from threading import Barrier, Thread

from flask import Flask

from harmony.clock import now
from harmony.db import db
from harmony.models import Role
from harmony.security import user_changes, users
from harmony.security.user_changes import LastAdministrator
from tests.database import on_both

database = on_both
GOOD = "seven tall giraffes"


def test_two_administrators_who_disable_one_another_at_once_leave_one(context: Flask) -> None:
    ids = [users.create_user(name, GOOD, Role.ADMINISTRATOR, now()).id for name in ("ada", "bob")]
    start, refused = Barrier(2), []

    def disable(id_: int) -> None:
        with context.app_context():
            start.wait()
            try:
                user_changes.disable(id_, "test", now())
            except LastAdministrator:
                refused.append(id_)

    threads = [Thread(target=disable, args=(id_,)) for id_ in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    db.session.rollback()
    assert [row.disabled_at is None for row in users.every()].count(True) == 1
