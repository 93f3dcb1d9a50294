"""Removes from the packages of the image what Harmony never loads; the Dockerfile runs it, nobody else.

Sources of what stays are kept, for tracebacks. What is removed here is tried by `make image-test`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# By pattern, below the folder of the packages.
LEFT_OUT = (
    # Texts that translators edit; programs read the .mo files beside them.
    "**/*.po",
    "**/*.pot",
    # Tests of the packages.
    "**/testing",
    "**/tests",
    # Databases that Harmony does not support.
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    # Wanted by one service of Apprise alone, which is left out as well.
    "oauthlib*",
    "requests_oauthlib*",
)
# The structures of X.509 are the only ones that the check of passkeys reads.
STRUCTURES = frozenset({"__init__", "rfc5280"})


def of_packages(packages: Path, services: frozenset[str]) -> Iterator[Path]:
    """Yield what is left out of a folder of packages; `services` are the modules of Apprise that stay."""
    for pattern in LEFT_OUT:
        yield from packages.glob(pattern)
    yield from _others(packages / "apprise/plugins", services | {"__init__", "base"})
    yield from _others(packages / "pyasn1_modules", STRUCTURES)


def _others(folder: Path, kept: frozenset[str]) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.stem not in kept)


def main(packages: Path) -> None:
    """Remove it all."""
    from harmony.messages.gateway_address import CHAT_SERVICES, SMS_SERVICES  # noqa: PLC0415 - runs in the image

    services = frozenset(module for module, _ in (SMS_SERVICES | CHAT_SERVICES).values())
    for path in list(of_packages(packages, services)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # its folder may have gone before


if __name__ == "__main__":
    main(Path(sys.argv[1]))
