"""A vault whose key is lost, wrong, rotated or half rotated, met by a whole sync. Rung S: sockets and TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from harmony.clock import now
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Role, StopReason, SyncRunState
from harmony.models.configuration import SERVER
from harmony.security.keys import new_vault_key
from harmony.security.users import create_user
from harmony.security.vault import Vault, VaultLocked
from harmony.setup import apply, rotation, secrets
from tests.canaries import WatchedClient
from tests.faults.scene import API_KEY, CANARIES, PASSWORD, Scene
from tests.invariants import check_invariants

SIGN_IN = {"name": "keeper", "password": "nine calm foghorns under Bergen"}
LOCKED = "The configured key does not open the stored credentials."


@pytest.fixture
def keys(house: Flask, scene: Scene) -> Iterator[list[str]]:
    """Two keys; the scene's secrets are sealed under the first."""
    before = house.extensions["harmony.vault"]
    made = [new_vault_key(), new_vault_key()]
    put(house, made[0])
    scene.by_password()
    yield made
    house.extensions["harmony.vault"] = before


def put(house: Flask, *keys: str) -> None:
    """Restart with these keys, newest first."""
    house.extensions["harmony.vault"] = Vault(keys)


def test_row_61_a_lost_key_stops_the_integration_and_leaves_the_dashboard_usable(
    house: Flask, scene: Scene, keys: list[str]
) -> None:
    scene.learn()
    asked = len(scene.server.requests)
    put(house, keys[1])
    done = scene.suffer(SyncRunState.FAILED, LOCKED)
    assert "enter the credentials again" in done.advice
    assert len(scene.server.requests) == asked
    assert scene.integration().stopped_why == StopReason.SECRETS
    assert not lease.request(scene.integration_id, JobKind.DEVICES, "test", now())

    create_user(SIGN_IN["name"], SIGN_IN["password"], Role.ADMINISTRATOR, now())
    browser = WatchedClient(house)
    assert browser.post("/sign-in", data=SIGN_IN).status_code == 303
    shown = browser.get(f"/integrations/{scene.integration_id}")
    assert shown.status_code == 200
    assert LOCKED in shown.get_data(as_text=True)
    for path in ("/integrations", "/devices", f"/integrations/{scene.integration_id}/setup/server"):
        assert browser.get(path).status_code == 200, path

    # Entered again under the key there is, verified and saved, it syncs again.
    scene.point(password=PASSWORD, api_key=API_KEY)
    apply.save(scene.integration_id, SERVER, "test", now())
    scene.recover()


def test_row_61_a_key_that_comes_back_frees_the_integration_at_the_next_start(
    house: Flask, scene: Scene, keys: list[str]
) -> None:
    scene.learn()
    put(house, keys[1])
    assert secrets.check() == ["Test UEM"]
    assert scene.integration().stopped_why == StopReason.SECRETS
    assert "enter the credentials again" in (scene.integration().stopped_reason or "")
    put(house, keys[0])
    assert secrets.check() == []
    scene.recover()


def test_row_61_a_rotation_that_was_interrupted_goes_on_and_syncs_at_each_step(
    house: Flask, scene: Scene, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.learn()
    old, new = keys
    put(house, new, old)
    scene.recover()

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotation.rotate(dry_run=False)
    check_invariants(canaries=CANARIES, logs=scene.logs())
    scene.recover()

    assert rotation.rotate(dry_run=False).renewed == 2
    assert rotation.rotate(dry_run=False).renewed == 0
    put(house, new)
    scene.recover()
    put(house, old)
    scene.suffer(SyncRunState.FAILED, VaultLocked.sentence)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt
