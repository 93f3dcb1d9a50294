"""npm oidc-provider as a process, beside the dashboard that signs people in there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_for

FOLDER = Path(__file__).resolve().parent.parent / "oidc" / "provider"
CLIENT_ID, CLIENT_SECRET = "harmony", "canary of the certified provider"
NODE = shutil.which("node") if (FOLDER / "node_modules" / "oidc-provider").is_dir() else None


@contextmanager
def running_provider(dashboard: str, output: Path) -> Iterator[str]:
    """The provider for a dashboard at this address, until the end of the block; its issuer."""
    assert NODE is not None
    with output.open("wb") as file:
        process = subprocess.Popen(
            [NODE, "server.js", dashboard],
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: _issuer(output) or process.poll() is not None, "the provider", 60)
        assert process.poll() is None, output.read_text()
        yield _issuer(output)
    finally:
        process.terminate()
        process.wait(20)


def _issuer(output: Path) -> str:
    found = re.search(r"^http://localhost:\d+$", output.read_text(errors="replace"), re.MULTILINE)
    return found[0] if found else ""
