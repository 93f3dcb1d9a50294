"""Runs the services of a compose file from the built image, beside a PostgreSQL of this machine.

The image of PostgreSQL is not fetched: its place, the name `postgres`, is taken by a server on loopback.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import database
from tests.image.build import ROOT, Image
from tests.image.container import Container

HOSTS = "127.0.0.1 localhost postgres\n"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")


def dot_env() -> dict[str, str]:
    """Return the settings that the first lines of the file ask for in deploy/.env."""
    keys = {
        name: base64.b64encode(os.urandom(32)).decode()
        for name in ("HARMONY_VAULT_KEYS", "HARMONY_SECRET_KEY")
    }
    return {"HARMONY_POSTGRES_PASSWORD": secrets.token_hex(16), **keys}


def services(given: Mapping[str, str], *names: str) -> dict[str, dict[str, Any]]:
    """The services of files laid over each other, with their variables filled in, as compose does.

    Those that a file wants must be given.
    """

    def fill(found: re.Match[str]) -> str:
        value = given.get(found[1], found[2])
        assert value is not None, f"{found[1]} is not set"
        return value

    found: dict[str, dict[str, Any]] = {}
    for name in names:
        text = _VARIABLE.sub(fill, (ROOT / "deploy" / name).read_text(encoding="utf-8"))
        found = _merged(found, yaml.safe_load(text)["services"])
    return found


def _merged(below: Any, above: Any) -> Any:
    """Return a value of two files: mappings and lists are joined, of anything else the later one counts."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {name: _merged(below.get(name), value) for name, value in above.items()}
    return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above


def container(image: Image, service: dict[str, Any], data: Path, bind: str, **ours: str) -> Container:
    """A container as the service describes it; only its address and the settings in `ours` are our own."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/data"]
    (tmpfs,) = service["tmpfs"]
    place, _, options = tmpfs.partition(":")
    assert place == "/tmp"  # noqa: S108
    environment = {name: str(value) for name, value in service["environment"].items()}
    return Container(image, data, bind, environment | ours, options, HOSTS)


@contextmanager
def postgresql(service: dict[str, Any], port: int) -> Iterator[None]:
    """Run a server with the user and the database that the service names."""
    environment = service["environment"]
    assert environment["POSTGRES_USER"] == "harmony"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPORT", str(port))  # libpq and the server read it
        patch.setitem(database.OPTIONS, "listen_addresses", "127.0.0.1")
        with database.running_server() as server:
            server.execute(f'CREATE DATABASE "{environment["POSTGRES_DB"]}"')
            yield
