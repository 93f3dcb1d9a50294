"""What a Protect app sends and gets: records with their bounds, read from the body of a request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from flask import Request
from msgspec import Meta

from harmony.models import DeviceStatus, Profile
from harmony.models.device_ids import is_placeholder
from harmony.protect.factors import is_code
from harmony.protect.refusals import Refused
from harmony.protect.report import Report, Seen, Threat, believed, clock_of
from harmony.uem.text import clean

LARGEST_BODY = 64 * 1024
LONGEST_SUBJECT = 256
JSON = "application/json"

Short = Annotated[str, Meta(max_length=64)]
Body = TypeVar("Body", bound=msgspec.Struct)


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """What `register` takes: a dashboard token or a one-time code, and the device it is for."""

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
    model: Annotated[str, Meta(max_length=256)] = ""
    os_version: Short = ""
    client_version: Short = ""
    serial: Annotated[str, Meta(max_length=128)] = ""
    request_id: Annotated[
        UUID, Meta(description="Random, made once per registration and repeated when it is tried again.")
    ]
    device_key: Annotated[str, Meta(max_length=128, description="The old key, when it registers again.")] = ""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """What `register` answers; the key is never shown again."""

    device_key: str
    device_id: int
    status: DeviceStatus
    risk: Literal["none", "low", "medium", "high"]
    check_in_seconds: int


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """A threat factor that is open on the device."""

    code: Annotated[
        str, Meta(min_length=1, max_length=64, pattern="^[A-Z0-9]+(_+[A-Z0-9]+)*$", examples=["ROOTED"])
    ]
    subject: Annotated[str, Meta(max_length=1024, description="The app, network or address meant.")] = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An app that is installed on an Android device."""

    identifier: Annotated[str, Meta(min_length=1, max_length=256, examples=["com.example.mail"])]
    version: Annotated[str, Meta(max_length=64)] = ""
    name: Annotated[str, Meta(max_length=256)] = ""


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """What `check-in` takes: everything that is open now; what is not named any more has ended."""

    findings: Annotated[list[Reported], Meta(max_length=200)]
    os_version: Short = ""
    client_version: Short = ""
    apps: (
        Annotated[list[Listed], Meta(max_length=500, description="Every app; left out when unchanged.")]
        | None
    ) = None
    device_time: (
        Annotated[str, Meta(max_length=64, description="ISO 8601; recorded, never believed.")] | None
    ) = None


class CheckedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What `check-in` answers."""

    status: DeviceStatus
    risk: Literal["none", "low", "medium", "high"]
    check_in_seconds: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What every refusal answers: `error` for the app, `message` for a person."""

    error: str
    message: str


_REGISTER, _CHECK_IN = msgspec.json.Decoder(Register), msgspec.json.Decoder(CheckIn)


def read_registration(request: Request) -> Register:
    """The body of `register`, its texts cleaned. Raises Refused."""
    body = _decoded(_REGISTER, request)
    if (body.token is None) == (body.code is None):
        raise Refused("invalid", "Give either `token` or `code`, one of the two.")
    tidy = {
        name: clean(getattr(body, name), 256) for name in ("model", "os_version", "client_version", "serial")
    }
    if is_placeholder(body.udid):
        raise Refused("udid_placeholder")
    return msgspec.structs.replace(body, udid=clean(body.udid, 128), **tidy)


def read_report(request: Request, key_hash: str, at: datetime) -> Report:
    """The body of `check-in`, its texts cleaned. Raises Refused."""
    body = _decoded(_CHECK_IN, request)
    if not all(is_code(one.code) for one in body.findings):
        raise Refused("invalid", "`findings[...].code`: no code of a threat factor looks like this.")
    threats = believed(Threat(one.code, clean(one.subject, LONGEST_SUBJECT)) for one in body.findings)
    return Report(
        key_hash, at, threats, clean(body.os_version, 64), clean(body.client_version, 64),
        None if body.apps is None else _seen(body.apps), clock_of(body.device_time),
    )  # fmt: skip


def _seen(apps: Iterable[Listed]) -> tuple[Seen, ...]:
    """Each app once; what has no readable identifier is none."""
    every = (Seen(clean(one.identifier, 256), clean(one.version, 64), clean(one.name, 256)) for one in apps)
    return tuple(dict.fromkeys(one for one in every if one.identifier))


def _decoded(decoder: msgspec.json.Decoder[Body], request: Request) -> Body:
    request.max_content_length = LARGEST_BODY
    if request.mimetype != JSON:
        raise Refused("not_json")
    try:
        return decoder.decode(request.get_data(cache=False))
    except msgspec.ValidationError as wrong:
        raise Refused("invalid", _sentence(str(wrong))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("malformed") from None


def _sentence(text: str) -> str:
    """msgspec's words with the field first: "`udid`: expected `str`, got `int`."."""
    what, _, where = text.partition(" - at `$.")
    return f"`{where.rstrip('`')}`: {what[:1].lower()}{what[1:]}." if where else f"{what}."
