"""The secrets of a configuration file: named there, supplied by the environment or by other files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harmony.config import PREFIX, SETTINGS, supplied
from harmony.config.values import trimmed
from harmony.ops.configuration_file.problems import FileProblem
from harmony.ops.configuration_file.schema import FileSecret

_PLACEHOLDER = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_OWN = frozenset(PREFIX + setting.name for setting in SETTINGS)
_LARGEST = 64 * 1024
_NAME_ITS_SOURCE = (
    "a secret does not stand in this file. Name where it comes from: ${A_VARIABLE} of the environment, "
    "or file: with the path of a file that holds it."
)


@dataclass(frozen=True, slots=True)
class Supplied:
    """A secret, "" when nothing supplies it, and where it was looked for."""

    source: str
    clear: str = field(default="", repr=False)


def placeholder(number: int, name: str) -> str:
    """Return how an export names a secret of the integration with that id.

    >>> placeholder(1, "client_secret")
    '${HARMONY_UEM_1_CLIENT_SECRET}'
    """
    return f"${{{PREFIX}UEM_{number}_{name.upper()}}}"


def look_up(
    named: Mapping[str, str | FileSecret], path: str
) -> tuple[dict[str, Supplied], list[FileProblem]]:
    """Return the secrets of a section by their keys, and what is wrong with how they are named."""
    found: dict[str, Supplied] = {}
    problems = []
    for key, secret in named.items():
        supplied_secret = _from_file(secret) if isinstance(secret, FileSecret) else _from_variable(secret)
        if isinstance(supplied_secret, str):
            problems.append(FileProblem(f"{path}.{key}", supplied_secret))
        else:
            found[key] = supplied_secret
    return found, problems


def _from_variable(text: str) -> Supplied | str:
    match = _PLACEHOLDER.fullmatch(text)
    if match is None:
        return _NAME_ITS_SOURCE
    if match[1] in _OWN or match[1].removesuffix("_FILE") in _OWN:
        return f"{match[1]} is a setting of Harmony itself; name another variable."
    return Supplied(f"Set {match[1]} in the environment.", supplied(match[1]))


def _from_file(secret: FileSecret) -> Supplied | str:
    path, advice = Path(secret.file), f"Write it into {secret.file}."
    try:
        if not path.exists():
            return Supplied(advice)
        if path.stat().st_size > _LARGEST:
            return f"{secret.file} is too large for a secret."
        return Supplied(advice, trimmed(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, ValueError):
        return f"{secret.file} cannot be read."
