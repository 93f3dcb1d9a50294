"""Token buckets in the database: how often something may be tried, counted over all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sqlalchemy import delete
from sqlalchemy.orm import Session

from harmony.db import write
from harmony.models import ThrottleBucket
from harmony.security import known_addresses
from harmony.security.users import name_key

_FORGET_AFTER = timedelta(days=1)
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class _Limit:
    """`capacity` tries at once, and as many again spread over `per_seconds` (at most a day)."""

    key: str
    capacity: int
    per_seconds: int


def take(key: str, capacity: int, per_seconds: int, now: datetime) -> float:
    """Use one try. Return 0 when there was one, else the seconds until there is."""
    return _take_all((_Limit(key, capacity, per_seconds),), now)


def _take_all(limits: Sequence[_Limit], now: datetime) -> float:
    """Use one try of every limit, or of none when one is used up. Return the seconds to wait."""
    with write() as session:
        buckets = [_refilled(session, limit, now) for limit in limits]
        wait = max(map(_wait, buckets, limits))
        if wait == 0:
            for bucket in buckets:
                bucket.tokens -= 1
    return wait


def sign_in_wait(ip: str | None, name: str, now: datetime) -> float:
    """Return the seconds before this address may try to sign in under this name; 0 uses one try.

    The limit of the name alone is not for addresses from which that name signed in before: strangers use
    it up, and could lock the only administrator out.
    """
    limits = [_address_limit(ip), _account_limit(ip, name)]
    if not known_addresses.is_known(counted_address(ip), name, now):
        limits.append(_name_limit(name))
    return _take_all(limits, now)


def sign_in_succeeded(ip: str | None, name: str, now: datetime) -> None:
    """Delete the tries of a user who signed in, and every bucket that has long been full again."""
    # Only the one try comes back: a colleague's success must not pay for somebody else's guessing.
    _give_back((_address_limit(ip), _name_limit(name)), now)
    with write() as session:
        session.execute(delete(ThrottleBucket).where(ThrottleBucket.key == _account_limit(ip, name).key))
        session.execute(delete(ThrottleBucket).where(ThrottleBucket.refilled_at < now - _FORGET_AFTER))


def sign_in_not_tried(ip: str | None, name: str, now: datetime) -> None:
    """Give the try back: the password was not looked at."""
    _give_back((_address_limit(ip), _account_limit(ip, name), _name_limit(name)), now)


def second_factor_wait(user_id: int, now: datetime) -> float:
    """Return the seconds before another one-time code may be tried for a user; 0 uses one try.

    Only who has the password gets here; recovery codes and passkeys, which nobody guesses, are not counted.
    """
    return _take_all((_code_limit(user_id),), now)


def second_factor_succeeded(user_id: int) -> None:
    """Forget the wrong codes of a user."""
    with write() as session:
        session.execute(delete(ThrottleBucket).where(ThrottleBucket.key == _code_limit(user_id).key))


def passkey_wait(ip: str | None, now: datetime) -> float:
    """Return the seconds before this address may ask for another challenge; 0 uses one try."""
    return _take_all((_Limit(f"passkey:{counted_address(ip)}", 60, 900),), now)


def setup_not_tried(ip: str | None, now: datetime) -> None:
    """Give the try back: the account was not made, although the code was right."""
    _give_back((_setup_limit(ip),), now)


def sign_on_wait(ip: str | None, now: datetime) -> float:
    """Return the seconds before this address may go to the provider again; 0 uses one try."""
    return take(f"sign-on:{counted_address(ip)}", 30, 900, now)


def setup_wait(ip: str | None, now: datetime) -> float:
    """Return the seconds before this address may try another set-up code; 0 uses one try."""
    return _take_all((_setup_limit(ip),), now)


def sweep(now: datetime) -> None:
    """Delete the buckets that were not used for a day; they are full, as a missing one is."""
    with write() as session:
        session.execute(delete(ThrottleBucket).where(ThrottleBucket.refilled_at < now - _FORGET_AFTER))


def _give_back(limits: Sequence[_Limit], now: datetime) -> None:
    with write() as session:
        for limit in limits:
            bucket = _refilled(session, limit, now)
            bucket.tokens = min(float(limit.capacity), bucket.tokens + 1)


def _setup_limit(ip: str | None) -> _Limit:
    return _Limit(f"setup:{counted_address(ip)}", 10, 600)


def _address_limit(ip: str | None) -> _Limit:
    return _Limit(f"sign-in:{counted_address(ip)}", 30, 900)


def _account_limit(ip: str | None, name: str) -> _Limit:
    # Hashed, because people do type their password where the name belongs.
    folded = hashlib.sha256(name_key(name).encode()).hexdigest()[:32]
    return _Limit(f"sign-in:{counted_address(ip)}:{folded}", 5, 300)


def _name_limit(name: str) -> _Limit:
    folded = hashlib.sha256(name_key(name).encode()).hexdigest()[:32]
    return _Limit(f"sign-in-name:{folded}", 60, 3600)


def _code_limit(user_id: int) -> _Limit:
    # 288 codes a day of a million, of which three are right at a time.
    return _Limit(f"one-time-code:{user_id}", 5, 1500)


def counted_address(ip: str | None) -> str:
    """Return the address that counts; of IPv6 the /64, since every customer has at least that many."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False).network_address
    return str(parsed)


def _refilled(session: Session, limit: _Limit, now: datetime) -> ThrottleBucket:
    """Return the bucket refilled up to now; a new one is full. A clock that was set back refills nothing."""
    bucket = session.get(ThrottleBucket, limit.key)
    if bucket is None:
        bucket = ThrottleBucket(key=limit.key, tokens=float(limit.capacity), refilled_at=now)
        session.add(bucket)
    seconds = max(0.0, (now - bucket.refilled_at).total_seconds())
    bucket.tokens = min(float(limit.capacity), bucket.tokens + seconds * limit.capacity / limit.per_seconds)
    bucket.refilled_at = now
    return bucket


def _wait(bucket: ThrottleBucket, limit: _Limit) -> float:
    missing = 1 - bucket.tokens
    # The sum of ten tenths is not quite one.
    return missing * limit.per_seconds / limit.capacity if missing > _ROUNDING else 0.0
