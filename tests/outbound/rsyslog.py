"""A real rsyslogd with TLS on a port of its own, without rights; it parses what it gets into JSON."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.certs import Made
from tests.waiting import wait_for

_PROGRAM = shutil.which("rsyslogd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
_DRIVER = next(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so"), None)
RSYSLOG = _PROGRAM if _DRIVER else None
PACKAGES = "rsyslog rsyslog-openssl"
_PROPERTIES = (
    "hostname", "app-name", "procid", "msgid", "structured-data", "msg", "syslogseverity", "syslogfacility",
    "timereported", "protocol-version",
)  # fmt: skip
_CONFIG = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{folder}/ca.pem"
  defaultNetstreamDriverCertFile="{folder}/cert.pem" defaultNetstreamDriverKeyFile="{folder}/key.pem")
module(load="imtcp" {stream})
template(name="parsed" type="list" option.jsonf="on") {{
{properties}
}}
ruleset(name="all") {{ action(type="omfile" file="{folder}/received" template="parsed") }}
input(type="imtcp" port="{port}" address="127.0.0.1" listenPortFileName="{folder}/port" ruleset="all")
"""
_TLS = 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'


@dataclass(frozen=True)
class Rsyslog:
    """A running server, its port, and what it has parsed."""

    port: int
    folder: Path

    def received(self) -> list[dict[str, Any]]:
        """Return every message, as rsyslog took it apart."""
        file = self.folder / "received"
        text = file.read_text("utf-8") if file.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1]]


@contextmanager
def running_rsyslog(
    folder: Path, certificate: Made, *, is_tls: bool = True, port: int = 0
) -> Iterator[Rsyslog]:
    """rsyslogd until the end of the block; what an earlier one received stays."""
    assert RSYSLOG is not None
    for name, text in (("ca", certificate.pem), ("cert", certificate.pem), ("key", certificate.key_pem)):
        (folder / f"{name}.pem").write_text(text)
    properties = "\n".join(
        f'  property(outname="{name}" name="{name}" format="jsonf")' for name in _PROPERTIES
    )
    config = folder / "rsyslog.conf"
    stream = _TLS if is_tls else ""
    config.write_text(_CONFIG.format(folder=folder, properties=properties, stream=stream, port=port))
    (folder / "port").unlink(missing_ok=True)
    command = [RSYSLOG, "-n", "-f", str(config), "-i", str(folder / "pid")]
    with (folder / "error.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or _port(folder, port), "rsyslogd to listen")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Rsyslog(_port(folder, port) or 0, folder)
    finally:
        process.terminate()
        process.wait()


def _port(folder: Path, wanted: int) -> int | None:
    """Return the port once it listens; rsyslog writes down only one that the system chose."""
    if wanted:
        with socket.socket() as attempt:
            return wanted if attempt.connect_ex(("127.0.0.1", wanted)) == 0 else None
    file = folder / "port"
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdigit() else None
