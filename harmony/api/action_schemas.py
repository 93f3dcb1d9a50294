"""The records of what the public API does: the list of a hold, its approval, what was done, refusals."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from harmony.api.schemas import HoldItem


class HeldList(msgspec.Struct, frozen=True, kw_only=True):
    """A hold with its list as it is now; `digest` and `devices` are what an approval names."""

    hold: HoldItem
    devices: int
    digest: str
    device_ids: Annotated[list[int], Meta(description="The first 1,000 devices of the list.")]


class Approval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list that is approved: how many devices, and the digest that was read with them."""

    devices: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ActionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an action, in a sentence."""

    done: bool
    message: str


class ProblemComplaint(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter or a field that is not valid."""

    name: str
    detail: str


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal (RFC 9457). `type` never changes its meaning, `title` and `detail` are for a person."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[ProblemComplaint] = []
