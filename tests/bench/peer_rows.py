"""What the three peers have in common: sign in, read every page with requests, flatten, the same pragmas.

Runs in the peers' own environment: nothing of Harmony is imported here.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.bench.process import say

try:
    import pysqlite3 as sqlite  # the SQLite that Harmony and R use
except ImportError:
    sqlite = sqlite3

TOP_ID = 570
PAGE_SIZE = 500
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16384", "temp_store=MEMORY")
# The secondary indexes of Harmony's device table; the key is `id`, the UEM's own.
INDEXES = (("name_key", "id", "integration_id"), ("integration_id", "udid_key"))
COLUMNS: dict[str, type] = {"id": int, "integration_id": int} | {
    name: str
    for name in (
        "uuid", "udid", "udid_key", "serial", "imei", "name", "name_key", "phone", "email", "user_name",
        "platform", "model", "os_version", "ownership", "group_id", "group_name", "enrollment_status",
        "compliance", "enrolled_at", "last_seen_at", "search_text",
    )
} | {"compromised": int}  # fmt: skip

Page = list[dict[str, Any]]


def run(store: Callable[[Path, Iterable[Page]], int]) -> int:
    """Time `store(folder, pages)`, which keeps every row and returns how many its table then has."""
    folder, said = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    with _session(said) as session:
        began = time.monotonic()
        rows = store(folder, _pages(session, said))
        seconds = time.monotonic() - began
    say(seconds, rows=rows)
    return 0


def opened(file: Path) -> Any:
    """A connection with Harmony's pragmas, from which the driver's default transactions start."""
    database = sqlite.connect(file, check_same_thread=False)
    for pragma in PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    return database


@contextmanager
def _session(said: dict[str, str]) -> Iterator[requests.Session]:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as trust, requests.Session() as session:
        trust.write(said["ca_pem"])
        trust.flush()
        # REQUESTS_CA_BUNDLE would replace the simulator's certificate.
        session.trust_env, session.verify = False, trust.name
        yield session


def _pages(session: requests.Session, said: dict[str, str]) -> Iterator[Page]:
    form = {"grant_type": "client_credentials"} | {key: said[key] for key in ("client_id", "client_secret")}
    token = session.post(said["token_url"], data=form, timeout=60).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    number = 0
    while True:
        params = {"lgid": TOP_ID, "page": number, "pagesize": PAGE_SIZE}
        answer = session.get(f"{said['url']}/API/mdm/devices/search", params=params, timeout=60)
        if answer.status_code == 204:
            return
        answer.raise_for_status()
        yield [_flat(row) for row in answer.json()["Devices"]]
        number += 1


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    name, serial, udid, user = (
        row[key] for key in ("DeviceFriendlyName", "SerialNumber", "Udid", "UserName")
    )
    place = row["LocationGroupId"]
    return {
        "id": row["Id"]["Value"],
        "integration_id": 1,
        "uuid": row["Uuid"],
        "udid": udid,
        "udid_key": udid.casefold(),
        "serial": serial,
        "imei": row["Imei"],
        "name": name,
        "name_key": name.casefold(),
        "phone": row["PhoneNumber"],
        "email": row["UserEmailAddress"],
        "user_name": user,
        "platform": row["Platform"],
        "model": row["Model"],
        "os_version": row["OperatingSystem"],
        "ownership": row["Ownership"],
        "group_id": str(place["Id"]["Value"]),
        "group_name": place["Name"],
        "enrollment_status": row["EnrollmentStatus"],
        "compliance": row["ComplianceStatus"],
        "enrolled_at": row["LastEnrolledOn"],
        "last_seen_at": row["LastSeen"],
        "search_text": f"{name}\n{serial}\n{udid}\n{user}".casefold(),
        "compromised": int(row["CompromisedStatus"]),
    }
