"""A real Caddy with our configuration file in it, on ports of its own and without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.nginx import DEPLOY, answers
from tests.waiting import wait_for

CADDY = shutil.which("caddy")
# Nothing listens but the sites.
_ALONE = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"


def sites(own: int, shared: int, behind: str, certificate: Path, key: Path) -> str:
    """deploy/Caddyfile with 127.0.0.1 as its names, these ports, and a certificate for the first."""
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    for said, here in (
        ("\nharmony.example.com {\n", f"\nhttps://127.0.0.1:{own} {{\n\ttls {certificate} {key}\n"),
        ("\nexample.com {\n", f"\nhttp://127.0.0.1:{shared} {{\n"),
        ("127.0.0.1:8000", behind.removeprefix("http://")),
    ):
        assert said in text
        text = text.replace(said, here)
    return _ALONE + text


@contextmanager
def running_caddy(folder: Path, config: str, port: int) -> Iterator[None]:
    """Caddy with these sites, one of which listens on `port`, until the end of the block."""
    assert CADDY is not None
    folder.mkdir()
    (folder / "Caddyfile").write_text(config)
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | homes,
        )  # fmt: skip
    try:
        wait_for(lambda: process.poll() is not None or answers(port), "Caddy")
        assert process.poll() is None, (folder / "output").read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
