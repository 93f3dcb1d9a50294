"""Sets of ids and keys that stay small for a million devices: compressed bitmaps (CRoaring)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import lru_cache

from pyroaring import BitMap, BitMap64

# Digits that surely fit into 64 bits.
_LONGEST = 18
# The ids of a whole fleet are not kept beside the set.
_LONGEST_PAGE = 1000


class IdSet:
    """A set of ids as the UEM writes them: numbers in a bitmap, anything else as it is."""

    def __init__(self) -> None:
        self._numbers = BitMap64()
        self._others: set[str] = set()

    def add(self, ids: Sequence[str]) -> None:
        """Add these."""
        numbers = _bitmap(ids)
        if numbers is None:
            self._others.update(id_ for id_ in ids if _number(id_) is None)
            numbers = BitMap64([number for id_ in ids if (number := _number(id_)) is not None])
        self._numbers |= numbers

    def none_of(self, ids: Sequence[str]) -> bool:
        """Tell whether the set has none of these."""
        numbers = _bitmap(ids)
        if numbers is None:
            return not any(id_ in self for id_ in ids)
        return self._numbers.isdisjoint(numbers)

    def count_missing_from(self, *others: Container[str]) -> int:
        """Return how many of these are in none of `others`."""
        every = (*map(str, self._numbers), *self._others)
        return sum(1 for id_ in every if not any(id_ in other for other in others))

    def __contains__(self, id_: object) -> bool:
        if not isinstance(id_, str):
            return False
        number = _number(id_)
        return id_ in self._others if number is None else number in self._numbers

    def __len__(self) -> int:
        return len(self._numbers) + len(self._others)


class KeyFilter:
    """A set of texts by their hashes: it may claim to have one that was never added, never the reverse."""

    def __init__(self) -> None:
        self._hashes = BitMap()

    def add(self, keys: Sequence[str]) -> None:
        """Add these, but not ""."""
        self._hashes |= _hashes(tuple(keys))

    def has_none_of(self, keys: Sequence[str]) -> bool:
        """Tell whether surely none of these was added."""
        return self._hashes.isdisjoint(_hashes(tuple(keys)))


@lru_cache(maxsize=2)
def _hashes(keys: tuple[str, ...]) -> BitMap:
    """Return the hashes of a few pages of keys, which are looked for and then added."""
    # 32 bits, the most that the small kind of bitmap takes: a million keys fill a four-thousandth of them.
    return BitMap([hash(key) & 0xFFFFFFFF for key in keys if key])


def _number(id_: str) -> int | None:
    """Return the number that `id_` stands for, if it is written as we would write it."""
    plain = id_.isdecimal() and id_.isascii() and id_[0] != "0" and len(id_) <= _LONGEST
    return int(id_) if plain else None


def _bitmap(ids: Sequence[str]) -> BitMap64 | None:
    """Return the numbers that ids stand for; None when one of them is no number."""
    if len(ids) <= _LONGEST_PAGE:
        return _bitmap_of_page(tuple(ids))
    numbers = _all_numbers(ids)
    return None if numbers is None else BitMap64(numbers)


@lru_cache(maxsize=4)
def _bitmap_of_page(ids: tuple[str, ...]) -> BitMap64 | None:
    """Return the same of a page, whose ids are looked for in several sets and added to them."""
    numbers = _all_numbers(ids)
    return None if numbers is None else BitMap64(numbers)


def _all_numbers(ids: Sequence[str]) -> list[int] | None:
    together = "".join(ids)
    if not (together.isdecimal() and together.isascii()):
        return [] if not ids else None
    if max(map(len, ids)) > _LONGEST or any(id_[:1] in {"0", ""} for id_ in ids):
        return None
    return list(map(int, ids))
