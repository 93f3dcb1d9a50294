"""`make release`: builds the archive of this version from the last commit and the image, and checks both.

It changes no tag and uploads nothing. The archive is the same for everybody who builds it from one commit.
The image needs root, buildah and debootstrap; without them it is left out, and a line says so.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from harmony.config.version import VERSION
from tests.image import __main__ as image

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {
    "app.py", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "pyproject.toml",
    "requirements.txt", "harmony/__init__.py", "templates/base.html", "static/css/harmony.css",
    "docs/running.md", "deploy/Dockerfile", "harmony/migrations/env.py",
}  # fmt: skip
# What somebody may have added by mistake.
UNWANTED = re.compile(r"(^|/)(instance|\.venv|\.env|__pycache__)(/|$)|\.(db|keys|key|pyc|dump)$")
_HEADING = re.compile(r"^## (Unreleased|\d+\.\d+\.\d+.*)\n+### Action needed$", re.MULTILINE)
_TRY = """
from pathlib import Path
from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.ops.migrate import migrate
app = create_app(Settings(data_dir=Path("data").resolve()))
with app.app_context():
    migrate(now())
print(app.test_client().get("/healthz").json["version"])
"""


def main() -> int:
    """Write the archive and its sum; exit with 1 and the reasons if it is not fit to be released."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--without-image", action="store_true", help="build the archive alone")
    arguments = parser.parse_args()
    problems = list(_problems_of_source(arguments.root))
    archive = build(arguments.root, arguments.out)
    problems += problems_of(archive)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        archive.unlink()
        return 1
    finish(archive)
    if arguments.without_image or not image.is_possible():
        sys.stdout.write(f"The image was not built: that needs root and {', '.join(image.NEEDED)}.\n")
        return 0
    packed = arguments.out / f"harmony-{VERSION}.oci.tar"
    image.check(ROOT / ".artifacts" / "image", archive=packed)
    finish(packed)
    return 0


def finish(file: Path) -> None:
    """Write the SHA-256 of a file beside it, and both to the output."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_name(f"{file.name}.sha256").write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    sys.stdout.write(f"{file}\n{digest}\n")


def build(root: Path, out: Path) -> Path:
    """Write the archive of the last commit."""
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"harmony-{VERSION}.tar.gz"
    prefix, output = f"--prefix=harmony-{VERSION}/", f"--output={archive}"
    command = ["git", "archive", "--format=tar.gz", prefix, output, "HEAD"]
    subprocess.run(command, cwd=root, check=True)
    return archive


def problems_of(archive: Path) -> list[str]:
    """Return what is wrong with an archive: missing or unwanted files, or that it does not start."""
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
        problems = [f"The archive lacks {name}." for name in sorted(NEEDED - names)]
        problems += [f"The archive has {name}." for name in sorted(filter(UNWANTED.search, names))]
        if problems:
            return problems
        with tempfile.TemporaryDirectory(prefix="harmony-release-") as folder:
            packed.extractall(folder, filter="data")
            return list(_problems_of_start(Path(folder) / f"harmony-{VERSION}"))


def _problems_of_source(root: Path) -> Iterator[str]:
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if stated != VERSION:
        yield f"pyproject.toml says {stated}, harmony/config/version.py {VERSION}."
    if subprocess.run(["git", "status", "--porcelain"], cwd=root, check=True, capture_output=True).stdout:
        yield "There are changes that are not committed."
    yield from problems_of_changelog((root / "CHANGELOG.md").read_text(encoding="utf-8"))


def problems_of_changelog(text: str) -> Iterator[str]:
    """Yield what the changelog lacks: each version begins with what an upgrade asks of its administrator."""
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    silent = [version for version in versions if version not in _HEADING.findall(text)]
    yield from (f"CHANGELOG.md: {version} has no Action needed." for version in silent)
    if not versions or not versions[0].startswith(("Unreleased", VERSION)):
        yield f"CHANGELOG.md does not begin with {VERSION} or Unreleased."


def _problems_of_start(folder: Path) -> Iterator[str]:
    """Yield why the unpacked archive does not make a database and answer with its version."""
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{_TRY}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout.strip().splitlines()[-1:] != [VERSION]:
        yield f"The unpacked archive does not start: {(done.stderr or done.stdout).strip()[-500:]}"


if __name__ == "__main__":
    raise SystemExit(main())
