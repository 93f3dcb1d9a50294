"""The missing and hostile values a small share of the devices carries (facts 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NEVER = "0001-01-01T00:00:00.000"
EVERY = 25
Body = dict[str, Any]


def _no_compromised_status(body: Body) -> None:
    del body["CompromisedStatus"]


def _empty_serial(body: Body) -> None:
    body.update(SerialNumber="", MacAddress="", Imei="", AssetNumber="")


def _never_seen(body: Body) -> None:
    body.update(
        LastSeen=NEVER, LastEnrolledOn=NEVER, LastComplianceCheckOn=NEVER, LastCompromisedCheckOn=NEVER
    )


def _script(body: Body) -> None:
    body.update(DeviceFriendlyName="<script>alert(document.domain)</script>", Model='"><img src=x onerror=1>')


def _formula(body: Body) -> None:
    body.update(DeviceFriendlyName="=cmd|' /C calc'!A0", UserEmailAddress="@SUM(1+1)*cmd", PhoneNumber="+1-1")


def _bidi_and_control(body: Body) -> None:
    body["DeviceFriendlyName"] = "kim\u202egpj.exe\u2066 \x00\x07\x1b[31m\r\nSet-Cookie: a=b\u200b"


def _very_long(body: Body) -> None:
    body.update(DeviceFriendlyName="W" * 4000, DeviceReportedName="\U0001f4f1" * 600)


def _nulls(body: Body) -> None:
    body.update(UserEmailAddress=None, Model=None, OperatingSystem=None, SerialNumber=None, Imei=None)


def _upper_udid(body: Body) -> None:
    body["Udid"] = body["Udid"].upper()


def _no_id(body: Body) -> None:
    del body["Id"]


def _digit_string_id(body: Body) -> None:
    body["Id"] = {"Value": str(body["Id"]["Value"])}


def _digit_string_group(body: Body) -> None:
    group = body["LocationGroupId"]
    body["LocationGroupId"] = {**group, "Id": {"Value": str(group["Id"]["Value"])}}


def _bare(body: Body) -> None:
    for key in ("TimeZone", "Imei", "UserEmailAddress", "PhoneNumber", "OEMInfo", "WifiSsid", "BatteryLevel"):
        del body[key]
    body.pop("DeviceCellularNetworkInfo", None)


def _wipe_pending(body: Body) -> None:
    body.update(EnrollmentStatus="EnterpriseWipePending", ComplianceStatus="NotAvailable")


def _nameless(body: Body) -> None:
    body.update(DeviceFriendlyName="", DeviceReportedName="", UserName="", UserEmailAddress="")


QUIRKS: tuple[Callable[[Body], None], ...] = (
    _no_compromised_status,
    _empty_serial,
    _never_seen,
    _script,
    _formula,
    _bidi_and_control,
    _very_long,
    _nulls,
    _upper_udid,
    _no_id,
    _digit_string_id,
    _digit_string_group,
    _bare,
    _wipe_pending,
    _nameless,
)


def bend(position: int, body: Body) -> None:
    """Give every 25th device one quirk, each in its turn, so that small worlds have several too."""
    turn, rest = divmod(position, EVERY)
    if rest == EVERY - 1:
        QUIRKS[turn % len(QUIRKS)](body)
