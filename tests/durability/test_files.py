"""The files while everything is in use (rung F): their owner's only, whatever the umask was before."""

from __future__ import annotations

import os
import stat

from harmony.backup.at_once import back_up
from harmony.clock import now
from harmony.config import Settings
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from tests.durability.scene import Scene

FILES = {"harmony.db", "harmony.db-wal", "harmony.db-shm", "queue.db", "newest.json", "newest.lock",
         "secret.key", "vault.keys"}  # fmt: skip


def test_every_file_in_use_is_for_its_owner_only(scene: Scene, settings: Settings) -> None:
    enqueue(JobKind.DEVICES, scene.id)
    scene.sync()
    backup = back_up(now())
    modes = {path.name: stat.S_IMODE(os.stat(path).st_mode) for path in settings.data_dir.iterdir()}
    assert {*FILES, backup.name} <= set(modes)
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o600} == {}
