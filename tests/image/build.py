"""Builds the image of deploy/Dockerfile with buildah, on a base that is made here: no registry, no daemon."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
MIRROR = "http://deb.debian.org/debian"
RELEASE = "trixie"
BASE, IMAGE = f"localhost/harmony-slim-{RELEASE}", "localhost/harmony-test"
# What the published debian:trixie-slim leaves out of a minimal Debian; copyright files stay in it.
UNWANTED = tuple(f"usr/share/{name}" for name in ("doc", "groff", "info", "lintian", "locale", "man"))
KEPT = "usr/share/doc/*/copyright"
SLIM = "".join(f"path-exclude /{name}/*\n" for name in UNWANTED) + f"path-include /{KEPT}\n"
LEFT_OVER = ("var/cache/apt", "var/cache/debconf/*-old", "var/lib/apt/lists", "var/lib/dpkg/*-old", "var/log")
CLEAN = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: what it says of itself, its files, and how many bytes it has."""

    config: dict[str, Any]
    files: Path
    size: int


class Builder:
    """buildah with a store of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = ("--storage-driver", "vfs", "--root", str(folder / "store"))
        self._store += ("--runroot", str(folder / "run"))

    def build(self) -> None:
        """Build the base if it is not there yet, then the image."""
        if not self._has(BASE):
            self._make_base()
        self._buildah(
            "bud", "--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never",
            "--build-arg", f"BASE={BASE}", *self._machine(),
            "--file", "deploy/Dockerfile", "--tag", IMAGE, ".",
        )  # fmt: skip

    def image(self) -> Image:
        """Return the image that was built last, with its files mounted."""
        about = json.loads(self._buildah("inspect", "--type", "image", IMAGE))
        manifest = json.loads(about["Manifest"])
        container = self._buildah("from", "--pull-never", IMAGE)
        files = Path(self._buildah("mount", container))
        return Image(about["Docker"]["config"], files, sum(layer["size"] for layer in manifest["layers"]))

    def save(self, archive: Path) -> None:
        """Write the image to a file that `docker load`, podman and skopeo read."""
        archive.unlink(missing_ok=True)
        self._buildah("push", IMAGE, f"oci-archive:{archive}")

    def remove_containers(self) -> None:
        self._buildah("rm", "--all")

    def _make_base(self) -> None:
        system = self.folder / f"slim-{RELEASE}"
        subprocess.run(["debootstrap", "--variant=minbase", RELEASE, str(system), MIRROR], check=True)
        (system / "etc/dpkg/dpkg.cfg.d/slim").write_text(SLIM)
        (system / "etc/apt/apt.conf.d/docker-clean").write_text(CLEAN)
        for pattern in (*UNWANTED, *LEFT_OVER):
            for found in system.glob(pattern):
                subprocess.run(
                    ["find", found, "-type", "f", "!", "-name", "copyright", "-delete"], check=True
                )
        container = self._buildah("from", "scratch")
        subprocess.run(["cp", "-a", f"{system}/.", self._buildah("mount", container)], check=True)
        self._buildah("commit", "--rm", container, BASE)

    def _machine(self) -> Sequence[str]:
        """What pip of this machine needs to reach its packages; it is there during the build only."""
        certificates = os.environ.get("PIP_CERT", "")
        shown = [path for path in os.environ.get("IMAGE_TEST_VOLUMES", "").split() if path]
        if certificates:
            shown.append(f"{certificates}:/machine/ca.pem")
        (self.folder / "pip.conf").write_text(
            f"[global]\n{'cert = /machine/ca.pem' if certificates else ''}\n"
        )
        shown.append(f"{self.folder / 'pip.conf'}:/etc/pip.conf")
        return [word for volume in shown for word in ("--volume", f"{volume}:ro")]

    def _has(self, name: str) -> bool:
        command = ("buildah", *self._store, "inspect", "--type", "image", name)
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _buildah(self, *arguments: str) -> str:
        command = ("buildah", *self._store, *arguments)
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
