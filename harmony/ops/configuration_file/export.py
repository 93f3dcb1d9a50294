"""Writes the settings in force as a configuration file: YAML in one order, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from harmony.config import PREFIX, Settings
from harmony.models import PolicyRecord, Risk
from harmony.models.configuration import PAGES, Configuration
from harmony.ops.configuration_file.schema import RETENTION, VERSION, WORKSPACE_ONE
from harmony.ops.configuration_file.sections import section
from harmony.protection.policy_differences import normal

_HEAD = """\
# The settings of a Harmony installation; docs/configuration-as-code.md explains every key.
# Secrets are not in here: each ${VARIABLE} is read from the environment at `plan` and `apply`. For a secret
# in a file of its own write `client_secret: {file: /run/secrets/uem}` instead.
"""
_RETENTION = """\
# How long things are kept is set in the environment (HARMONY_RUNS_KEPT_DAYS and so on). `plan` compares,
# `apply` changes nothing here.
"""
_SECRET = re.compile(r"^( +[a-z_]+: \$\{([A-Z0-9_]+)\})$", re.MULTILINE)


class Exported:
    """One integration to export: the id that names its secrets, and its records."""

    def __init__(self, number: int, configuration: Configuration) -> None:
        self.number, self.configuration = number, configuration

    def mapping(self) -> dict[str, Any]:
        """Return what the file says of it."""
        head = {"display_name": self.configuration.server.display_name, "kind": WORKSPACE_ONE}
        pages = {page: section(page, getattr(self.configuration, page), self.number) for page in PAGES}
        return head | pages


def write_yaml(
    integrations: Iterable[Exported],
    policy: PolicyRecord,
    settings: Settings,
    messages: Mapping[str, Any] | None = None,
) -> str:
    """Return the whole file."""
    parts = [
        _dump({"version": VERSION}),
        _with_sources(_dump({"integrations": [integration.mapping() for integration in integrations]})),
        _dump({"policy": _policy_section(policy)}),
        *([_with_sources(_dump({"messages": messages}))] if messages else []),
        _RETENTION + _dump({"retention": {name: getattr(settings, name) for name in RETENTION}}),
    ]
    return "\n".join([_HEAD, *parts])


def _policy_section(policy: PolicyRecord) -> dict[str, Any]:
    """Return what the file says of the policy: the risks that differ from the catalogue, by name."""
    record = normal(policy)
    return {
        "inactive_days": record.inactive_days,
        "silent_days": record.silent_days,
        "silent_risk": Risk(record.silent_risk).label,
        "confirm_above": record.confirm_above,
        "minimum_os": dict(record.minimum_os),
        "minimum_client": dict(record.minimum_client),
        "risks": {code: Risk(risk).label for code, risk in record.risks.items()},
    }


def retention_variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> retention_variable("runs_kept_days")
    'HARMONY_RUNS_KEPT_DAYS'
    """
    return PREFIX + name.upper()


class _Dumper(yaml.SafeDumper):
    """Keeps a certificate readable: a text of several lines stands as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write what a reader could take for a line break between quotation marks, escaped."""
    style = "|" if "\n" in text else None
    if not all(line.isprintable() for line in text.split("\n")):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _dump(values: Mapping[str, Any] | Sequence[Any]) -> str:
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31)
    return text


def _with_sources(text: str) -> str:
    """Say behind each secret where it comes from."""
    return _SECRET.sub(r"\1  # from the environment variable \2", text)
