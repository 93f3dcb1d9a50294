"""The rows that a run has planned: of an integration without other devices, only these can be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harmony.db.id_set import IdSet, KeyFilter
from harmony.sync.reading.scope import Incoming


@dataclass(slots=True)
class Arrived:
    """Remembers ids exactly and UDID keys roughly: a few rows are looked up that nothing is stored of."""

    _ids: IdSet = field(default_factory=IdSet)
    _keys: KeyFilter = field(default_factory=KeyFilter)

    def take(self, rows: Sequence[Incoming]) -> list[Incoming]:
        """Take a few pages of rows; return those that an earlier row may have stored a device for."""
        ids, keys = [row.device.external_id for row in rows], [row.udid_key for row in rows]
        is_new = self._ids.none_of(ids) and self._keys.has_none_of(keys)
        found = [] if is_new else [row for row in rows if self._may_have(row)]
        self._ids.add(ids)
        self._keys.add(keys)
        return found

    def _may_have(self, row: Incoming) -> bool:
        key = row.udid_key
        return row.device.external_id in self._ids or bool(key and not self._keys.has_none_of([key]))
