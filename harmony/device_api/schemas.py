"""The bodies of the device API: records with their bounds, from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from harmony.device_api import partial
from harmony.models import DeviceStatus, Profile

_Json = dict[str, Any]


def _lenient(schema: _Json, description: str) -> Meta:
    """A value that is read in full when it fits `schema`, and that spoils nothing when it does not."""
    return Meta(description=description, extra_json_schema={"anyOf": [schema, {}]})


def _text(longest: int, meaning: str = "") -> Meta:
    return _lenient(
        {"type": "string", "maxLength": longest}, f"{meaning} Cut at {longest} characters.".strip()
    )


def _items(name: str) -> _Json:
    """Entries of a list; one that does not fit is left out and told in `unread`."""
    return {"anyOf": [{"$ref": f"#/components/schemas/{name}"}, {}]}


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `register`: a dashboard token or a one-time code, and the device it is for."""

    token: Annotated[str, Meta(min_length=1, max_length=256, description="The dashboard token.")] | None = (
        None
    )
    code: (
        Annotated[str, Meta(min_length=1, max_length=64, description="A one-time registration code.")] | None
    ) = None
    udid: Annotated[
        str,
        Meta(
            max_length=128,
            description="As the UEM has it; case, dashes, braces and blanks do not matter. A look-up value "
            "that nobody replaced (`{DeviceUid}`) is refused.",
        ),
    ]
    profile: Profile = Profile.DEVICE
    platform: Literal["ios", "android"]
    model: Annotated[Any, _text(256)] = ""
    os_version: Annotated[Any, _text(64)] = ""
    client_version: Annotated[Any, _text(64)] = ""
    serial: Annotated[Any, _text(128)] = ""
    request_id: Annotated[
        UUID, Meta(description="Random, made once per registration and repeated when it is tried again.")
    ]
    device_key: Annotated[Any, _text(128, "The key of an app on the device, when it registers again.")] = ""


class Omitted(msgspec.Struct, frozen=True, kw_only=True):
    """A field that could not be read in full: entries or values left out, texts cut. The rest counts."""

    field: str
    left_out: int
    cut: int


class Registered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of `register`; the key is never shown again."""

    device_key: str
    device_id: int
    status: DeviceStatus
    risk: Literal["none", "low", "medium", "high"]
    check_in_seconds: int
    unread: list[Omitted] = []


class FindingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A threat factor that is open on the device; its code is read in capitals."""

    code: Annotated[
        str, Meta(min_length=1, max_length=64, pattern="^[A-Z0-9]+(_+[A-Z0-9]+)*$", examples=["ROOTED"])
    ]
    subject: Annotated[str, Meta(max_length=256, description="The app, network or address meant.")] = ""


class AppEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An app that is installed on an Android device; without a readable identifier it is left out."""

    identifier: Annotated[str, Meta(min_length=1, max_length=256, examples=["com.example.mail"])]
    version: Annotated[str, Meta(max_length=64)] = ""
    name: Annotated[str, Meta(max_length=256)] = ""


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `check-in`: everything that is open now; what is not named any more has ended.

    Nothing ends, and no app goes, while an entry of its list is left out: it may be that one.
    """

    findings: Annotated[
        list[Any],
        Meta(
            description=f"What is open; {partial.MOST_FINDINGS} are read.",
            extra_json_schema={"items": _items("FindingEntry")},
        ),
    ]
    os_version: Annotated[Any, _text(64)] = ""
    client_version: Annotated[Any, _text(64)] = ""
    apps: Annotated[
        Any,
        _lenient(
            {"type": "array", "items": _items("AppEntry")},
            f"Every app; left out when unchanged. {partial.MOST_APPS} are read.",
        ),
    ] = None
    device_time: Annotated[Any, _text(64, "ISO 8601; recorded, never believed.")] = None


class CheckedIn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of `check-in`."""

    status: DeviceStatus
    risk: Literal["none", "low", "medium", "high"]
    check_in_seconds: int
    unread: list[Omitted] = []


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error: `error` for the app, `message` for a person."""

    error: str
    message: str
