"""Runs an image as `docker run --read-only --cap-drop ALL --tmpfs /tmp` would, with unshare and chroot."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.build import Image

DEVICES = ("null", "zero", "random", "urandom")


@dataclass(frozen=True, slots=True)
class Container:
    """An image beside a folder that is its volume."""

    image: Image
    data: Path
    bind: str
    environment: Mapping[str, str] = field(default_factory=dict)
    tmpfs: str = "mode=1777"
    hosts: str = ""

    def start(self, command: Sequence[str] = (), output: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a command, that of the image if none is given, in namespaces of its own."""
        user, _, group = self.image.config["User"].partition(":")
        caps = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
        dropped = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *caps, "--")
        environment = ("env", "-i", *self.image.config["Env"], *self._settings())
        place = ("env", f"--chdir={self.image.config['WorkingDir']}")
        inside = (*dropped, *environment, *place, *(command or self.image.config["Cmd"]))
        script = f"{self._mounts()}\nexec chroot {self._root} {shlex.join(inside)}"
        namespaces = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=TERM")
        with (output or Path("/dev/null")).open("wb") as file:
            return subprocess.Popen(
                (*namespaces, "sh", "-ec", script),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def run(self, *command: str) -> int:
        """Run a command to its end. Return its exit code."""
        return self.start(command).wait(60)

    def _settings(self) -> list[str]:
        return [f"{name}={value}" for name, value in {**self.environment, "HARMONY_BIND": self.bind}.items()]

    @property
    def _root(self) -> str:
        return shlex.quote(str(self.image.files))

    def _mounts(self) -> str:
        root = self._root
        lines = [f"mount --bind {root} {root}", f"mount --bind {shlex.quote(str(self.data))} {root}/data"]
        lines += [f"mount -t proc proc {root}/proc", f"mount -t tmpfs -o {self.tmpfs} tmp {root}/tmp"]  # noqa: S108
        lines.append(f"mount -t tmpfs -o mode=755 dev {root}/dev")
        for name in DEVICES:
            lines.append(f"touch {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}")
        if self.hosts:
            lines.append(f"echo {shlex.quote(self.hosts)} > {root}/tmp/hosts")  # noqa: S108
            lines.append(f"mount --bind {root}/tmp/hosts {root}/etc/hosts")  # noqa: S108
        return "\n".join([*lines, f"mount -o remount,bind,ro {root}"])
