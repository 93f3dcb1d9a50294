"""A destination that is a file in the data folder: appended, synced, and rotated by size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmony.atomic_file import sync_folder
from harmony.outbound.errors import SendError
from harmony.outbound.formats import as_line
from harmony.outbound.record import OutboundRecord
from harmony.outbound.syslog import SyslogHeader

FOLDER = "outbound"
_LARGEST_BYTES = 50 * 1024 * 1024
_FILES_KEPT = 5


@dataclass(frozen=True, slots=True)
class FileSender:
    """Appends records to a file; one that has become large is renamed to `.1`, and the oldest is removed."""

    path: Path
    format: str
    header: SyslogHeader
    largest: int = _LARGEST_BYTES

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Append the records and return where to. Raises SendError."""
        data = b"".join(as_line(record, self.format, self.header) for record in records)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size + len(data) > self.largest:
                self._rotate()
            self._append(data)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "unknown"
            raise SendError(f"The file cannot be written ({reason}).", "Look at the disk.") from None
        return f"{len(data):,} bytes in {self.path.name}"

    def _append(self, data: bytes) -> None:
        """Write all or nothing: what a full disk cuts off is taken back, for it is written again."""
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) or 0 :]
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), size)
                raise
        if is_new:
            sync_folder(self.path.parent)

    def _rotate(self) -> None:
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{n}") for n in range(1, _FILES_KEPT))]
        for older, newer in zip(reversed(names), list(reversed(names))[1:], strict=False):
            if newer.exists():
                os.replace(newer, older)
