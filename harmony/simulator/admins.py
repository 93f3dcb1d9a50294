"""`GET /system/admins/search`: the account itself and one person beside it (facts 3.2)."""

from __future__ import annotations

from typing import Any

from harmony.simulator.answers import Answer, Call, envelope, nothing, page_of
from harmony.simulator.bodies import uuid_of
from harmony.simulator.context import Tenant
from harmony.simulator.generate import digest
from harmony.simulator.records import ENCODE

_SETTINGS = {
    "timeZone": "(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
    "locale": "en-US",
    "initialLandingPage": "~/Hub",
    "LastLoginTimeStamp": "10/27/2026 3:05:53 PM",
    "messageTemplateId": 0,
    "messageTemplateUuid": "00000000-0000-0000-0000-000000000000",
}


def search(tenant: Tenant, call: Call) -> Answer:
    """Find administrators by part of their user name; 204 past the end. The letters of its keys are mixed."""
    page = page_of(call)
    people = [(tenant.credentials.username, "Harmony", "API"), ("dana.admin", "Dana", "Admin")]
    asked = call.query.get("username", "").lower()
    found = [_admin(tenant, *person) for person in people if asked in person[0].lower()]
    shown = found[page.number * page.size :][: page.size]
    if not shown:
        return nothing()
    if call.version == 1:
        shown = [{key[:1].upper() + key[1:]: value for key, value in row.items()} for row in shown]
    return envelope("admins" if call.version == 2 else "Admins", map(ENCODE, shown), page, len(found))


def _admin(tenant: Tenant, username: str, first: str, last: str) -> dict[str, Any]:
    top, seed = tenant.world.groups[tenant.top], tenant.world.seed
    place = {"LocationGroup": top.name, "LocationGroupId": str(top.id)}
    role = {
        "uuid": uuid_of(digest(seed, "role", username).hex()),
        "organizationGroupUuid": top.uuid,
        "Name": "Console Administrator",
        **place,
        "IsActive": True,
        "UserLinkId": "0",
    }
    return {
        "uuid": uuid_of(digest(seed, "admin", username).hex()),
        "username": username,
        "firstName": first,
        "lastName": last,
        "email": f"{username}@example.com",
        **place,
        "organizationGroupUuid": top.uuid,
        **_SETTINGS,
        "roles": [role],
    }
