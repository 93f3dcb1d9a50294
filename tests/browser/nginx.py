"""A real nginx with our configuration files in it, on ports of its own and without rights."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_for

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
WHOLE = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
# The other application answers everywhere else on the host.
SHARED = """
server {{
    listen 127.0.0.1:{port};
    location / {{ return 418 "Another application answers here."; }}
    {location}
}}
"""


def below_a_path(port: int, behind: str) -> str:
    """A host that serves the dashboard at `behind` below /harmony/, as deploy/nginx-path.conf says."""
    location = (DEPLOY / "nginx-path.conf").read_text("utf-8").replace("http://127.0.0.1:8000", behind)
    return SHARED.format(port=port, location=location)


def on_its_own_host(port: int, plain: int, behind: str, certificate: Path, key: Path) -> str:
    """deploy/nginx.conf, with other ports, the address 127.0.0.1 as its name, and these files."""
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for said, here in (
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("harmony.example.com", "127.0.0.1"),
        ("/etc/ssl/harmony/fullchain.pem", str(certificate)),
        ("/etc/ssl/harmony/privkey.pem", str(key)),
        ("http://127.0.0.1:8000", behind),
    ):
        assert said in text
        text = text.replace(said, here)
    return text


@contextmanager
def running_nginx(folder: Path, servers: str, port: int) -> Iterator[None]:
    """nginx with these servers, one of which listens on `port`, until the end of the block."""
    assert NGINX is not None
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(WHOLE.format(folder=folder, servers=servers))
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: process.poll() is not None or answers(port), "nginx")
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
