"""`GET /system/info`: the connection test and version gate (facts 2.1)."""

from __future__ import annotations

from harmony.simulator.answers import Answer, Call, ok
from harmony.simulator.context import Tenant

PRODUCT_VERSION = "26.2.0.0"
_AREAS = (
    ("Mobile Device Management", "mdm"),
    ("Mobile Application Management", "mam"),
    ("Mobile Content Management", "mcm"),
    ("Mobile Email Management", "mem"),
    ("System", "system"),
)


def info(tenant: Tenant, call: Call) -> Answer:
    """The product, its version and where its areas live."""
    host = call.headers.get("host", "localhost")
    workspaces = [{"Name": name, "Location": f"https://{host}/API/{area}"} for name, area in _AREAS]
    return ok(
        {
            "ProductName": "AirWatch Platform Service",
            "ProductCopyright": "Copyright: a simulation, no product of any vendor",
            "ProductVersion": PRODUCT_VERSION,
            "Version": 1,
            "Resources": {"Collections": [], "Workspaces": workspaces},
        }
    )
