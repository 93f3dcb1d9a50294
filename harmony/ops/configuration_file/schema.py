"""The shape of a configuration file: which keys there are, and of which type each value is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from harmony.config import SETTINGS
from harmony.models.configuration import DEPLOYMENT, PAGES, SERVER, SYNCHRONIZATION, TAGGING
from harmony.ops.configuration_file import yaml_text
from harmony.ops.configuration_file.problems import FileProblem, FileRefused, Lines
from harmony.security.credentials import SECRET_FIELDS

VERSION = 1
WORKSPACE_ONE = "workspace_one"
# The fields of each page's record that a file has, as the record calls them; `secrets.py` reads the secrets.
KEYS = {
    SERVER: (
        "server_address", "use_oauth2", "token_address", "client_id", "username", *SECRET_FIELDS,
        "self_signed", "certificate", "connector",
    ),
    SYNCHRONIZATION: (
        "groups", "import_name", "import_number", "import_email", "device_interval", "deletion_threshold",
        "deletion_after", "app_interval", "delta",
    ),
    TAGGING: ("tag_status", "tag_risk", "tag_factors", "tag_no_risk", "prefix", "names", "adopted"),
    DEPLOYMENT: (
        "auto_addition", "unlisted_days", "send_email", "send_sms", "language", "code_days", "app_id",
        "app_keys", "app_ca",
    ),
}  # fmt: skip
# Switches of the file, and the times in the record that they stand for.
SWITCHES = {"send_email": "email_since", "send_sms": "sms_since"}
# Why a file has not the others.
LEFT_OUT = {
    (SERVER, "display_name"): "It is the key of the whole integration.",
    (DEPLOYMENT, "token"): "It is made here, and a secret.",
    (DEPLOYMENT, "former_token"): "Rotation makes it, and it is a secret.",
    (DEPLOYMENT, "former_until"): "Rotation sets it.",
    (DEPLOYMENT, "email_since"): "The file has send_email; the time is that of the switch.",
    (DEPLOYMENT, "sms_since"): "The file has send_sms; the time is that of the switch.",
}
# The settings for how long things are kept; they are set in the environment.
RETENTION = tuple(setting.name.lower() for setting in SETTINGS if setting.name.endswith("_KEPT_DAYS"))


class FileSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that stands in a file of its own."""

    file: str


class FileGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chosen group; its id says which one it is, its name is for people."""

    kind: Literal["organization", "smart"]
    id: str | int
    name: str = ""
    android_enterprise: bool = False


def _section(page: str) -> Any:
    """Return the type of a page's section: the fields of its record, none of which must be there."""
    types = {field.name: field.type for field in msgspec.structs.fields(PAGES[page])}
    types |= {name: str | FileSecret for name in SECRET_FIELDS} | {"groups": list[FileGroup]}
    types |= dict.fromkeys(SWITCHES, bool)
    fields = [(name, types[name] | UnsetType, UNSET) for name in KEYS[page]]
    return msgspec.defstruct(page, fields, frozen=True, kw_only=True, forbid_unknown_fields=True)


_SECTIONS = {page: _section(page) for page in PAGES}
_Sections: Any = msgspec.defstruct(
    "sections",
    [(page, kind | UnsetType, UNSET) for page, kind in _SECTIONS.items()],
    frozen=True,
    kw_only=True,
)


class FileIntegration(_Sections, frozen=True, kw_only=True, forbid_unknown_fields=True):  # type: ignore[call-arg, misc]
    """One integration: found by its name and kind, with a section for each page of the wizard."""

    display_name: str
    kind: Literal["workspace_one"] = "workspace_one"

    def said(self, page: str) -> dict[str, Any]:
        """Return the keys of a page that stand in the file."""
        section = getattr(self, page)
        values = {} if section is UNSET else msgspec.structs.asdict(section)
        return {name: value for name, value in values.items() if value is not UNSET}

    def with_adopted(self, names: Iterable[str]) -> FileIntegration:
        """Return the same with these tags adopted besides those of the file."""
        adopted = tuple(sorted({*self.said(TAGGING).get("adopted", ()), *names}))
        tagging = _SECTIONS[TAGGING]() if self.tagging is UNSET else self.tagging
        return msgspec.structs.replace(self, tagging=msgspec.structs.replace(tagging, adopted=adopted))


class FilePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy; risks by their names."""

    risks: dict[str, str] | UnsetType = UNSET
    inactive_days: int | UnsetType = UNSET
    silent_days: int | UnsetType = UNSET
    silent_risk: str | UnsetType = UNSET
    confirm_above: int | UnsetType = UNSET
    minimum_os: dict[Literal["ios", "android"], str] | UnsetType = UNSET
    minimum_client: dict[Literal["ios", "android"], str] | UnsetType = UNSET


class FileMailServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mail server; what is not named stays."""

    host: str | UnsetType = UNSET
    port: int | UnsetType = UNSET
    security: Literal["starttls", "tls", "none"] | UnsetType = UNSET
    username: str | UnsetType = UNSET
    password: str | FileSecret | UnsetType = UNSET
    sender: str | UnsetType = UNSET
    sender_name: str | UnsetType = UNSET
    certificate: str | UnsetType = UNSET
    connector: str | UnsetType = UNSET


class FileMessages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of messages; `texts` are those that differ from the defaults, by language."""

    mail_server: FileMailServer | UnsetType = UNSET
    texts: dict[str, dict[str, str]] | UnsetType = UNSET


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    integrations: list[FileIntegration] = []
    policy: FilePolicy | None = None
    messages: FileMessages | None = None
    retention: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: what it says, and the line of every path."""

    file: _File
    lines: Lines


def parse(text: str) -> Document:
    """Return what the file says. Raises FileRefused with the path and line of what it cannot say."""
    data, lines = yaml_text.read(text)
    try:
        file = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        raise FileRefused([_problem(str(error))], lines) from None
    if problems := list(_problems(file)):
        raise FileRefused(problems, lines)
    return Document(file, lines)


def _problems(file: _File) -> Iterator[FileProblem]:
    if file.version != VERSION:
        yield FileProblem("version", f"this Harmony reads version {VERSION} of the file.")
    names: set[str] = set()
    for place, integration in enumerate(file.integrations):
        name = integration.display_name.strip()
        if name in names:
            twice = f"another integration is called {name} too."
            yield FileProblem(f"integrations[{place}].display_name", twice)
        names.add(name)
    for name in file.retention:
        if name not in RETENTION:
            yield FileProblem(f"retention.{name}", f"there is no such key; there are {', '.join(RETENTION)}.")


_TYPES = {
    "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list",
    "object": "keys with values", "float": "a number with a fraction", "null": "nothing", "date": "a date",
    "datetime": "a time",
}  # fmt: skip


def _problem(message: str) -> FileProblem:
    """Return msgspec's complaint in the words of this file.

    >>> _problem("Expected `int`, got `str` - at `$.policy.inactive_days`")
    FileProblem(path='policy.inactive_days', sentence='this must be a whole number, and is a text.')
    """
    sentence, _, place = message.partition(" - at `")
    path = place.rstrip("`").removeprefix("$").removeprefix(".").replace("[...]", "")
    if unknown := re.search(r"unknown field `(.*)`", sentence):
        return FileProblem(f"{path}.{unknown[1]}".lstrip("."), "there is no such key.")
    if missing := re.search(r"missing required field `(.*)`", sentence):
        return FileProblem(path, f"the key {missing[1]} is missing.")
    if types := re.fullmatch(r"Expected `(.*)`, got `(.*)`", sentence):
        wanted = " or ".join(_TYPES.get(name, name) for name in types[1].split(" | "))
        return FileProblem(path, f"this must be {wanted}, and is {_TYPES.get(types[2], types[2])}.")
    return FileProblem(path, f"{sentence}.")
