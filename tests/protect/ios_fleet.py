"""An integration with the simulated UEM behind it, its iOS devices stored as a sync would have left them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from harmony.apps.job import sync_apps
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.uem_client import ClientFactory
from harmony.models import Device, JobRun
from harmony.simulator.server import RunningSimulator
from harmony.uem.client import UemClient
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.http.client import CallLimits
from harmony.uem.registry import connect
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.builders import NOON, an_integration
from tests.sync.stored import store_devices

LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)
FIRST = 60001


def patient(simulator: RunningSimulator) -> ClientFactory:
    """Opens the simulated UEM, and waits for each of its answers for longer than any test may last."""
    mine = simulator.credentials
    sign_in = OAuth2(simulator.token_url, mine.client_id, mine.client_secret)
    limits = CallLimits(request_seconds=600, total_seconds=600)

    def open_client(*_: object) -> UemClient:
        connection = Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK)
        return WorkspaceOne(connection, limits=limits)

    return open_client


def opener(simulator: RunningSimulator, fetchers: int = 4) -> ClientFactory:
    """Opens the simulated UEM, whatever the integration's pages say."""
    mine = simulator.credentials
    sign_in = OAuth2(simulator.token_url, mine.client_id, mine.client_secret)

    def open_client(_id: int, kind: str, _server: object) -> UemClient:
        return connect(
            kind, Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK), fetchers=fetchers
        )

    return open_client


def an_ios_fleet(count: int) -> int:
    """An integration with devices 60001 … of the simulator; its app sync is due."""
    id_ = an_integration()
    store_devices(id_, count, platform="Apple")
    with write() as session:
        for number, device in enumerate(session.scalars(select(Device).order_by(Device.id))):
            device.external_id = str(FIRST + number)
        lease.make_due(session, id_, JobKind.APPS, now() - timedelta(seconds=1))
    return id_


def app_sync(
    id_: int, open_client: ClientFactory, should_stop: Callable[[], bool] = lambda: False, *, ask: bool = True
) -> JobRun:
    """Run it now and give its run back."""
    if ask:
        lease.request(id_, JobKind.APPS, "kim", now() - timedelta(seconds=1))
    sync_apps(id_, should_stop, open_client)
    db.session.expire_all()
    rows = (
        select(JobRun)
        .where(JobRun.integration_id == id_, JobRun.kind == "apps")
        .order_by(JobRun.id.desc())
        .limit(1)
    )
    return db.session.scalars(rows).one()


def touch(id_: int, count: int) -> None:
    """Let so many devices have been in contact since."""
    with write() as session:
        mine = select(Device).where(Device.integration_id == id_).order_by(Device.id).limit(count)
        for device in session.scalars(mine):
            device.last_seen_at = (device.last_seen_at or NOON) + timedelta(hours=1)
