"""R: fetch with requests, decode with msgspec, upsert every row with plain sqlite3, one commit a page.

`python -m tests.bench.yardstick FOLDER ANNOUNCEMENT`, FOLDER holding a migrated database with the
integration. No history, no deletion detection, no comparing: what a short script would do, done well.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import msgspec
import requests

from harmony.clock import monotonic
from harmony.db import BUSY_TIMEOUT_MS, PAGE_CACHE_KIB, sqlite_module, table_of
from harmony.models import Device
from tests.bench.dashboard import INTEGRATION
from tests.bench.process import say
from tests.bench.simulated import PAGE_SIZE, TOP_ID

PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    f"cache_size=-{PAGE_CACHE_KIB}",
    "temp_store=MEMORY",
)
COLUMNS = (
    "integration_id", "external_id", "uuid", "udid", "serial", "imei", "name", "name_key", "phone", "email",
    "user_name", "platform", "model", "os_version", "ownership", "group_id", "group_name",
    "enrollment_status", "compliance", "compromised", "enrolled_at", "last_seen_at", "search_text",
    "fingerprint", "created_at", "updated_at", "missing_since",
    "udid_key", "absent_from", "absent_why", "deleted_at", "deleted_by", "added_by",
)  # fmt: skip
# Counted up, kept by triggers, or with the default of an integration that never moved to another UEM.
NOT_FILLED = {"id", "status", "risk", "status_rank", "risk_rank", "uem_generation"}
NOW = "2026-01-15 12:00:00.000000"


class Number(msgspec.Struct, rename="pascal", gc=False):
    """{"Value": n}."""

    value: int


class Place(msgspec.Struct, rename="pascal", gc=False):
    """{"Id": {"Value": n}, "Name": …}."""

    id: Number
    name: str


class Row(msgspec.Struct, rename="pascal", gc=False):
    """The fields that have a column."""

    id: Number
    uuid: str
    udid: str
    serial_number: str
    imei: str
    device_friendly_name: str
    phone_number: str
    user_email_address: str
    user_name: str
    platform: str
    model: str
    operating_system: str
    ownership: str
    location_group_id: Place
    enrollment_status: str
    compliance_status: str
    compromised_status: bool
    last_enrolled_on: str
    last_seen: str


class Page(msgspec.Struct, rename="pascal", gc=False):
    """One answer of the device search."""

    devices: list[Row]


def main(arguments: list[str]) -> int:
    """Read and write everything once, and say how long it took."""
    said: dict[str, str] = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    database = sqlite_module().connect(Path(arguments[0]) / "harmony.db", isolation_level=None)
    for pragma in PRAGMAS:
        database.execute(f"PRAGMA {pragma}").close()
    statement, rows = upsert_statement(), 0
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as trust, requests.Session() as session:
        trust.write(said["ca_pem"])
        trust.flush()
        # REQUESTS_CA_BUNDLE would replace the simulator's certificate.
        session.trust_env, session.verify = False, trust.name
        began, cpu = monotonic(), process_time()
        for devices in _pages(session, said):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(statement, [_values(row) for row in devices])
            database.execute("COMMIT")
            rows += len(devices)
        seconds, cpu = monotonic() - began, process_time() - cpu
    database.close()
    say(seconds, rows=rows, cpu_seconds=round(cpu, 3))
    return 0


def _pages(session: requests.Session, said: dict[str, str]) -> Iterator[list[Row]]:
    form = {"grant_type": "client_credentials"} | {key: said[key] for key in ("client_id", "client_secret")}
    token = session.post(said["token_url"], data=form, timeout=60).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    decode, number = msgspec.json.Decoder(Page).decode, 0
    while True:
        params: dict[str, Any] = {"lgid": TOP_ID, "page": number, "pagesize": PAGE_SIZE}
        url = f"{said['url']}/API/mdm/devices/search"
        with session.get(url, params=params, stream=True, timeout=60) as answer:
            if answer.status_code == 204:
                return
            answer.raise_for_status()
            yield decode(answer.raw.read(decode_content=True)).devices
        number += 1


def upsert_statement() -> str:
    there = {column.name for column in table_of(Device).columns} - NOT_FILLED
    if there != set(COLUMNS):
        raise RuntimeError(f"the yardstick does not fill the same columns: {there ^ set(COLUMNS)}")
    kept = {"integration_id", "external_id", "created_at"}
    changes = ", ".join(f"{name}=excluded.{name}" for name in COLUMNS if name not in kept)
    return (
        f"INSERT INTO device ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
        f" ON CONFLICT (integration_id, external_id) DO UPDATE SET {changes}"
    )


def _values(row: Row) -> tuple[Any, ...]:
    name, serial, udid, user = row.device_friendly_name, row.serial_number, row.udid, row.user_name
    place = row.location_group_id
    return (
        INTEGRATION, str(row.id.value), row.uuid, udid, serial, row.imei, name, name.casefold(),
        row.phone_number, row.user_email_address, user, row.platform, row.model, row.operating_system,
        row.ownership, str(place.id.value), place.name, row.enrollment_status, row.compliance_status,
        row.compromised_status, row.last_enrolled_on, row.last_seen,
        f"{name}\n{serial}\n{udid}\n{user}".casefold(),
        # As long as a fingerprint, which R does not make.
        row.uuid[:32], NOW, NOW, None,
        udid.lower(), None, "", None, None, None,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
