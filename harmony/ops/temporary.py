"""The folder for temporary files: the machine's, or one in the data folder where the machine has none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harmony.config import SettingsError

_FOLDER = "tmp"


def prepare(data_dir: Path) -> str:
    """Set where this process puts temporary files, and return it. Raises SettingsError.

    In a container whose root is read-only nothing but the data folder may be writable. Python's last resort
    is the current folder, which is that of our code.
    """
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        found = ""
    if found and Path(found) != Path.cwd():
        return found
    own = data_dir / _FOLDER
    try:
        own.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{own} cannot be created ({error.strerror}).") from None
    tempfile.tempdir = os.fspath(own)
    return tempfile.tempdir
