"""The credentials of an integration: sealed for the addresses they were typed for, opened for no others."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from enum import Enum

import msgspec

from harmony.models.configuration import ServerDetails
from harmony.security.vault import THROUGH, VaultLocked, WrongOrigin, on_the_way, origin_of, vault
from harmony.uem.trust import address

SECRET_FIELDS = ("client_secret", "password", "api_key")
# Fields of any form whose texts go in and never come out, not even to be sent once more.
NEVER_ECHOED = frozenset({*SECRET_FIELDS, "current", "new", "token", "url"}) | {
    "code",
    "one_time_code",
    "recovery_code",
    "credential",
}
_LABELS = {"client_secret": "Client Secret", "password": "Password", "api_key": "API Key"}
# Not empty, because "" would mean that the secret is never sent.
_NO_ADDRESS = "no address"


class CredentialState(Enum):
    """The state of a stored secret, given the addresses beside it."""

    USABLE = "usable"
    ABSENT = "absent"
    LOCKED = "locked"
    FOREIGN = "foreign"


def bound_to(integration_id: int, field: str) -> str:
    """Name what a sealed value is bound to, so that it opens in its own row and field only."""
    return f"integration:{integration_id}:{field}"


def fields_in_use(server: ServerDetails) -> tuple[str, ...]:
    """Name the secrets that the chosen way to sign in sends."""
    return ("client_secret",) if server.use_oauth2 else ("password", "api_key")


def origin_for(server: ServerDetails, field: str) -> str:
    """Name where a secret may go: its server, and for a client secret the token service before it.

    The client secret itself goes to the token service, the token that it brings to the server; through a
    Connector both pass its agents.
    """
    origin = address.origin_of(server.server_address) or _NO_ADDRESS
    token_origin = address.origin_of(server.token_address) or _NO_ADDRESS
    if field == "client_secret" and token_origin != origin:
        origin = f"{origin} and {token_origin}"
    return on_the_way(origin, server.connector)


def asked_again(server: ServerDetails, field: str) -> str:
    """Return the sentence that asks for a secret that was typed for other addresses or Connectors."""
    owner, direct = origin_of(getattr(server, field)), msgspec.structs.replace(server, connector="")
    if owner.partition(THROUGH)[0] == origin_for(direct, field):
        return f"The Connector was changed: enter the {_LABELS[field]} again."
    return f"Enter the {_LABELS[field]} again: the saved one belongs to {owner or 'another server'}."


def seal_secrets(integration_id: int, server: ServerDetails) -> ServerDetails:
    """Return `server` with its clear secrets sealed for its own addresses; an empty one stays empty."""
    sealed = {
        field: vault().seal(clear, bound_to(integration_id, field), origin_for(server, field))
        for field in SECRET_FIELDS
        if (clear := getattr(server, field))
    }
    return msgspec.structs.replace(server, **sealed)


def seal_again(integration_id: int, server: ServerDetails, known: Iterable[ServerDetails]) -> ServerDetails:
    """Seal, but keep the sealed text of a `known` secret that is equal and for the same addresses.

    Each sealing gives another text: without this, a secret typed again would look like another one.
    """
    stored = {
        field: getattr(record, field)
        for record in known
        for field in SECRET_FIELDS
        if _is_same(integration_id, server, record, field)
    }
    return msgspec.structs.replace(seal_secrets(integration_id, server), **stored)


def _is_same(integration_id: int, typed: ServerDetails, known: ServerDetails, field: str) -> bool:
    """Tell if the clear secret of `typed` is what `known` has sealed for the addresses of `typed`."""
    clear: str = getattr(typed, field)
    try:
        opened = unseal(
            integration_id, msgspec.structs.replace(typed, **{field: getattr(known, field)}), field
        )
    except VaultLocked:
        return False
    return bool(clear) and hmac.compare_digest(clear.encode(), opened.encode())


def unseal(integration_id: int, server: ServerDetails, field: str) -> str:
    """Return a secret in clear text, "" when none is stored.

    Raises WrongOrigin when it was typed for other addresses than those of `server`, VaultLocked when the
    key is another one.
    """
    sealed: str = getattr(server, field)
    if not sealed:
        return ""
    origin = origin_for(server, field)
    if origin_of(sealed) != origin and vault().has_key(sealed, bound_to(integration_id, field)):
        raise WrongOrigin(_LABELS[field], origin_of(sealed) or "another server")
    return vault().open(sealed, bound_to(integration_id, field), origin)


def state(integration_id: int, server: ServerDetails, field: str) -> CredentialState:
    """Return the state of the secret that is stored in `server`."""
    try:
        found = unseal(integration_id, server, field)
    except WrongOrigin:
        return CredentialState.FOREIGN
    except VaultLocked:
        return CredentialState.LOCKED
    return CredentialState.USABLE if found else CredentialState.ABSENT


def usable(integration_id: int, server: ServerDetails) -> bool:
    """Tell if every secret that the chosen way to sign in sends opens for these addresses."""
    return not {CredentialState.LOCKED, CredentialState.FOREIGN} & {
        state(integration_id, server, field) for field in fields_in_use(server)
    }
