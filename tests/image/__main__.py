"""`make image-test`: builds the container image, runs it with no rights on a read-only root, and looks at it.

It needs root, buildah, debootstrap and a mirror of Debian. The first build takes minutes; the base is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from urllib.error import URLError
from urllib.request import urlopen

from tests.image import compose, first_sync
from tests.image.build import ROOT, Builder, Image
from tests.image.container import Container
from tests.waiting import wait_for

USER = 10001
LARGEST = 200 * 1000**2
CONTENTS = {
    ".venv", "LICENSE", "__pycache__", "app.py", "deploy", "harmony", "requirements.txt", "static",
    "templates",
}  # fmt: skip
# What the image leaves out of its packages may be missed here.
LOADED = """
from importlib import import_module
import psycopg, webauthn
from harmony.messages.gateway_address import CHAT_SERVICES, SMS_SERVICES
assert psycopg.pq.__impl__ == "c"
for module, name in (SMS_SERVICES | CHAT_SERVICES).values():
    getattr(import_module(f"apprise.plugins.{module}"), name)
"""
NEEDED = ("buildah", "debootstrap", "unshare", "setpriv")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".artifacts" / "image")
    parser.add_argument("--again", action="store_true", help="look at the image of the last time")
    arguments = parser.parse_args()
    if not is_possible():
        sys.stderr.write(f"This needs root and {', '.join(NEEDED)}.\n")
        return 2
    check(arguments.folder, again=arguments.again)
    return 0


def is_possible() -> bool:
    """Whether an image can be built here."""
    return os.geteuid() == 0 and all(map(shutil.which, NEEDED))


def check(folder: Path, *, again: bool = False, archive: Path | None = None) -> None:
    """Build the image, look at every promise, and write it to an OCI archive; SystemExit if one is broken."""
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(folder)
    try:
        if not again:
            builder.build()
        look_at(image := builder.image())
        with tempfile.TemporaryDirectory() as data:
            os.chown(data, USER, USER)
            run(Container(image, Path(data), f"127.0.0.1:{free_port()}"))
        for files in (("compose.yaml",), ("compose.yaml", "compose.postgres.yaml")):
            with tempfile.TemporaryDirectory() as data:
                os.chown(data, USER, USER)
                run_compose(image, Path(data), *files)
        with tempfile.TemporaryDirectory() as data:
            os.chown(data, USER, USER)
            run_nodes(image, Path(data))
        if archive is not None:
            builder.save(archive)
    finally:
        builder.remove_containers()


def said(promise: str, kept: bool) -> None:
    """Say one promise; end at the first that is broken."""
    sys.stdout.write(f"{'kept  ' if kept else 'BROKEN'}  {promise}\n")
    if not kept:
        raise SystemExit(1)


def look_at(image: Image) -> None:
    contents = {path.name for path in (image.files / "opt/harmony").iterdir()}
    said(f"The image has {image.size / 1000**2:.0f} MB before compression", image.size < LARGEST)
    said("It holds the product and nothing else of the folder", contents == CONTENTS)
    said(
        "Its user has a number, so that Kubernetes can tell it is not root",
        image.config["User"] == "10001:10001",
    )
    said("Its command and its health check need no shell", "sh" not in image.config["Cmd"][0])
    said("Nothing in it belongs to its user but /data", owned_by_user(image.files) == {"data"})


def owned_by_user(files: Path) -> set[str]:
    every = (path for pattern in ("*", "opt/**/*") for path in files.glob(pattern))
    return {str(path.relative_to(files)) for path in every if path.lstat().st_uid == USER}


def run(container: Container) -> None:
    check = container.image.config["Healthcheck"]["Test"][1:]
    said("Before it runs, the health check fails", container.run(*check) == 1)
    said(
        "PostgreSQL's own programs for dumps run in it",
        all(container.run(name, "--version") == 0 for name in ("pg_dump", "pg_restore")),
    )
    said(
        "It holds every gateway, and the driver of PostgreSQL in C",
        container.run("python", "-c", LOADED) == 0,
    )
    with running(container) as process:
        wait_for(lambda: container.run(*check) == 0, "the health check", 120)
        said("It runs on a read-only root, and the health check passes", process.poll() is None)
        wait_for(lambda: status(container, "/readyz") == 200, "the worker", 60)
        said("Dashboard and worker are ready", status(container, "/sign-in") == 200)
        said("No process of it has a right of root", all(map(has_no_rights, processes(process.pid))))
    said("What it wrote is in /data, for its user alone", are_private(container.data))
    said("The root cannot be written", container.run("touch", "/opt/harmony/x") != 0)


def run_compose(image: Image, data: Path, *files: str) -> None:
    """Start the service of these compose files, set it up as a newcomer does, and let it sync."""
    services, ours = compose.services(compose.dot_env(), *files), {"HARMONY_OUTBOUND_ALLOW": "127.0.0.0/8"}
    name = " with ".join(files)
    with ExitStack() as stack:
        if "postgres" in services:
            ours["PGPORT"] = str(port := free_port())
            stack.enter_context(compose.postgresql(services["postgres"], port))
        bind = f"127.0.0.1:{free_port()}"
        harmony = compose.container(image, services["harmony"], data, bind, **ours)
        process = stack.enter_context(running(harmony))
        wait_for(lambda: status(harmony, "/readyz") == 200, f"{name} to be ready", 120)
        said(f"{name} is ready on {database_of(data)}", database_of(data) == expected(services))
        ended, devices = first_sync.devices_synced(f"http://{bind}", setup_code(harmony))
        said(
            f"Set up over HTTP, it syncs {devices} devices of a simulated UEM ({ended})",
            (ended, devices) == ("ok", f"{first_sync.DEVICES:,}"),
        )
        said("No process of it has a right of root", all(map(has_no_rights, processes(process.pid))))
    said("What it wrote is in /data, for its user alone", are_private(data))


def database_of(data: Path) -> str:
    return "SQLite" if (data / "harmony.db").exists() else "PostgreSQL"


def expected(services: Mapping[str, object]) -> str:
    return "PostgreSQL" if "postgres" in services else "SQLite"


def setup_code(container: Container) -> str:
    """Return the set-up code that the log shows after the first start; "" without one."""
    found = re.search(r"set-up code: (HRMN-\S+)", output_of(container).read_text(errors="replace"))
    return found[1] if found else ""


def run_nodes(image: Image, data: Path) -> None:
    """Start compose.nodes.yaml: its dashboards and workers, in its numbers, on a PostgreSQL."""
    services, port = compose.services(compose.dot_env(), "compose.nodes.yaml"), free_port()
    with compose.postgresql(services["postgres"], port), ExitStack() as nodes:
        started = []
        for name in ("web", "worker"):
            for _ in range(services[name]["deploy"]["replicas"]):
                bind = f"127.0.0.1:{free_port()}"
                node = compose.container(image, services[name], data, bind, PGPORT=str(port))
                nodes.enter_context(running(node, services[name]["command"]))
                started.append((name, node))
        webs = [node for name, node in started if name == "web"]
        wait_for(lambda: all(status(web, "/readyz") == 200 for web in webs), "every node", 180)
        said(f"{len(started)} nodes of compose.nodes.yaml are ready on PostgreSQL", len(webs) == 2)
        backup = ("flask", "--app", "app", "db", "backup", "/data/made.dump")
        said("One of them dumps PostgreSQL by command", webs[0].run(*backup) == 0)
        drill = (*backup[:4], "restore", "--check", "/data/made.dump")
        said("The dump can be restored", webs[0].run(*drill) == 0)


@contextmanager
def running(container: Container, command: Sequence[str] = ()) -> Iterator[Popen[bytes]]:
    """Run it until the end of the block; then it must stop by itself, in time and without an error."""
    output = output_of(container)
    process = container.start(command, output)
    try:
        yield process
        for pid in processes(process.pid)[:1]:
            os.kill(pid, signal.SIGTERM)
        said("It stops cleanly on SIGTERM", process.wait(60) == 0)
    finally:
        process.kill()
        sys.stdout.write(output.read_text(errors="replace") if sys.exc_info()[0] else "")
        output.unlink()


def output_of(container: Container) -> Path:
    """The file with what it writes."""
    return container.data.parent / f"{container.data.name}.{container.bind}.output"


def processes(above: int) -> list[int]:
    """The processes below one, the nearest first."""
    children = Path(f"/proc/{above}/task/{above}/children").read_text().split()
    return [int(pid) for pid in children] + [found for pid in children for found in processes(int(pid))]


def has_no_rights(pid: int) -> bool:
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    none = all(int(lines[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    return none and lines["NoNewPrivs"] == "1" and set(lines["Uid"].split()) == {str(USER)}


def are_private(folder: Path) -> bool:
    found = [path.lstat() for path in folder.rglob("*")]
    return bool(found) and all(one.st_uid == USER and not one.st_mode & 0o077 for one in found)


def status(container: Container, path: str) -> int:
    try:
        with urlopen(f"http://{container.bind}{path}", timeout=5) as answer:
            return int(answer.status)
    except URLError as error:
        return getattr(error, "code", 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
