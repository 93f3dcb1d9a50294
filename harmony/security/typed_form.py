"""What was typed into a form, sealed as a whole to be kept: texts with secrets among them, small files."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from harmony.security.vault import VaultLocked, vault

# As much as a request may carry at all.
_MOST_BYTES = 1024 * 1024


class TypedForm(msgspec.Struct, frozen=True):
    """`values` in the order they were sent, `files` by the name of their field."""

    values: tuple[tuple[str, str], ...] = ()
    files: dict[str, bytes] = {}

    def fields(self) -> MultiDict[str, str]:
        """The values as a form takes them."""
        return MultiDict(self.values)


def of_request() -> TypedForm:
    """What the present request carries."""
    files = {name: _content(upload) for name, upload in request.files.items() if upload}
    return TypedForm(tuple(request.form.items(multi=True)), files)


def _content(upload: FileStorage) -> bytes:
    """The file, which whoever reads it after us finds from its beginning on."""
    upload.stream.seek(0)
    content: bytes = upload.read(_MOST_BYTES + 1)
    upload.stream.seek(0)
    return content


def of_values(values: Iterable[tuple[str, str]]) -> TypedForm:
    """What is kept of a form without its files."""
    return TypedForm(tuple(values))


def seal(typed: TypedForm, bound_to: str) -> str | None:
    """One sealed text for all of it; None when it is larger than is kept."""
    text = msgspec.json.encode(typed).decode()
    return vault().seal(text, bound_to) if len(text) <= _MOST_BYTES else None


def unseal(sealed: str, bound_to: str) -> TypedForm | None:
    """What was sealed; None when no configured key opens it any more."""
    try:
        return msgspec.json.decode(vault().open(sealed, bound_to), type=TypedForm)
    except (VaultLocked, msgspec.DecodeError):
        return None
