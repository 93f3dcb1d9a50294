"""`make demo`: the whole product on throw-away data, with a simulated UEM and a printed password."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harmony import create_app, logs
from harmony.clock import now
from harmony.config import Settings, SettingsError
from harmony.models import Role
from harmony.ops import demo_agents
from harmony.ops.folder_lock import is_locked, locked
from harmony.ops.migrate import migrate
from harmony.ops.standard_output import say
from harmony.ops.start import (
    PortTaken,
    listed_address,
    refuse_taken_port,
    warn_of_ignored,
    web,
    worker,
)
from harmony.ops.supervisor import Child, supervise
from harmony.security.users import create_user
from harmony.setup.demo import announcement_file
from harmony.simulator import __main__ as simulated_uem
from harmony.worker.child_process import disconnect

_NAME = "demo"
_FOLDER = "harmony-demo-"
_SETTLED_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until it is told to stop; its data goes with it."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # until the supervisor listens: leave, and clean up
    try:
        remove_leftovers(_temporary_folder())
        with _environment() as settings, locked(settings.data_dir):
            return _run(settings, options)
    except (SettingsError, PortTaken) as error:
        sys.stderr.write(f"Harmony does not start: {error}\n")
        return 2


def _run(settings: Settings, options: argparse.Namespace) -> int:
    logs.configure(settings.log_level, settings.log_format)
    warn_of_ignored(settings)
    refuse_taken_port(*settings.bind)
    app = create_app(settings)
    password = secrets.token_urlsafe(12)
    with app.app_context():
        migrate(now())
        create_user(_NAME, password, Role.ADMINISTRATOR, now())
    disconnect(app)
    say(
        "demo",
        f"Open http://{listed_address(*settings.bind)} and sign in as {_NAME} with the password {password}",
    )
    say(
        "demo",
        "Then: New integration > Try the simulated UEM. All data is removed when you stop this (Ctrl+C).",
    )
    return supervise([_simulator(settings, options), web(), worker(), *_agents(options)])


def _simulator(settings: Settings, options: argparse.Namespace) -> Child:
    """Return the simulated UEM on a port that stays the same if it has to be started again."""
    arguments = [
        *(
            "--lifeline",
            "--port",
            str(free_port()),
            "--devices",
            str(options.devices),
            "--seed",
            str(options.seed),
        ),
        *("--announce", str(announcement_file(settings)), "--epoch", now().isoformat()),
        *(() if options.hostile else ("--no-quirks",)),
    ]
    return Child("uem ", lambda: simulated_uem.main(arguments))


def _agents(options: argparse.Namespace) -> list[Child]:
    """Return the simulated Protect apps, which wait for the first sync; none when nobody wants any."""
    wanted = ("--devices", str(options.protected), "--seed", str(options.seed))
    return [Child("app ", lambda: demo_agents.main(wanted))] if options.protected else []


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--devices", type=int, default=5000, help="how many devices the simulated UEM has")
    parser.add_argument("--protected", type=int, default=200, help="how many of them have a Protect app")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another world")
    parser.add_argument("--hostile", action="store_true", help="with missing and hostile values")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _environment() -> Iterator[Settings]:
    """Settings on a folder that is removed afterwards; the children inherit them."""
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as folder:
        os.environ |= {"HARMONY_DATA_DIR": folder, "HARMONY_DEMO": "1", "HARMONY_BACKUP_HOURS": "0"}
        yield Settings.from_environment(os.environ)


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise SettingsError("no folder for temporary files can be written; set TMPDIR.") from None


def remove_leftovers(place: Path) -> None:
    """Remove the folders of demos that were killed: those of this user that no living demo holds."""
    for folder in place.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            # A demo that just begins has its folder and not yet its lock.
            settled = now().timestamp() - found.st_mtime > _SETTLED_SECONDS
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if ours and settled and not is_locked(folder):
                shutil.rmtree(folder)


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
