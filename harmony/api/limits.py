"""Limit the rate of requests by key, and say in headers what is left (RateLimit, an IETF draft)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from werkzeug.datastructures import Headers

from harmony.api.problems import ApiProblem
from harmony.device_api.rate_limit import Buckets

_WINDOW = 60


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """So many requests a minute for each key, all at once or spread; each dashboard allows its share."""

    name: str
    buckets: Buckets

    @classmethod
    def of(cls, name: str, quota: int) -> RatePolicy:
        """Return a policy of which nothing is used."""
        return cls(name, Buckets(quota, quota / _WINDOW))

    def take(self, key: str, at: float) -> None:
        """Use one request. Raises ApiProblem: too many."""
        if wait := self.buckets.wait(key, at):
            raise ApiProblem("too_many", retry_after=math.ceil(wait))

    def say(self, headers: Headers, key: str, at: float) -> None:
        """Set the headers of an answer."""
        left, seconds = self.buckets.left(key, at)
        headers["RateLimit-Policy"] = f'"{self.name}";q={self.buckets.allowed};w={_WINDOW}'
        headers["RateLimit"] = f'"{self.name}";r={left};t={math.ceil(seconds)}'


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Requests by key, those for a posture apart from all others; wrong keys by address.

    A right key is heard even where wrong ones have used up the limit of their address: gateways and scripts
    share one, and a key of 190 random bits is not guessed.
    """

    requests: RatePolicy = field(default_factory=lambda: RatePolicy.of("requests", 600))
    posture: RatePolicy = field(default_factory=lambda: RatePolicy.of("posture", 6000))
    wrong: Buckets = field(default_factory=lambda: Buckets(60, 0.2))

    def share(self, processes: int) -> None:
        """Divide every limit among so many dashboards."""
        for buckets in (self.requests.buckets, self.posture.buckets, self.wrong):
            buckets.share(max(1, processes))
