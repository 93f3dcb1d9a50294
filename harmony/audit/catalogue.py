"""The module, category and severity of every event of the audit trail, by its words: one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harmony.models import Severity


class Classification(NamedTuple):
    """The part of the product that an event belongs to, the sort of action it is, and how grave."""

    module: str
    category: str
    severity: Severity


_INFORMATION, _WARNING, _CRITICAL = Severity.INFORMATION, Severity.WARNING, Severity.CRITICAL
_SIGN_IN, _SETTINGS, _ACTION = "Sign-in", "Settings", "Action"
_CREATION, _REMOVAL, _EXPORT, _SECRET = "Creation", "Removal", "Export", "Secret"

_TABLE: Mapping[str, Mapping[tuple[str, Severity], tuple[str, ...]]] = {
    "Accounts": {
        (_SIGN_IN, _INFORMATION): ("Signed in", "Signed out by the provider"),
        (_SIGN_IN, _WARNING): (
            "Sign-in refused", "Passkey counter fell", "Ended all sessions of a user", "Ended a session",
            "Ended all other sessions", "Was refused by single sign-on",
        ),
        (_ACTION, _INFORMATION): ("Confirmed the password", "Confirmed by passkey"),
        (_CREATION, _WARNING): (
            "Created the first administrator", "Added a user", "Invited a user", "Got an account",
        ),
        (_SETTINGS, _WARNING): (
            "Changed a user", "Disabled a user", "Enabled a user", "Hid personal data from a role",
            "Showed personal data to a role", "Got another role", "Stayed administrator",
            "Changed single sign-on", "Removed single sign-on", "Changed second factors",
            "Switched password sign-in off", "Switched password sign-in on",
        ),
        (_REMOVAL, _WARNING): ("Removed a user", "Revoked an API key"),
        (_SECRET, _CRITICAL): ("Removed second factors",),
        (_SECRET, _WARNING): (
            "Reset a password", "Changed the own password", "Chose a password by invitation",
            "Created an API key",
            "Set up an authenticator app", "Removed the authenticator app", "Made recovery codes",
            "Registered a passkey", "Renamed a passkey", "Removed a passkey",
        ),
    },
    "Integrations": {
        (_CREATION, _INFORMATION): ("Created the integration", "Finished the set-up"),
        (_SETTINGS, _WARNING): ("Edited Server Details",),
        (_SETTINGS, _INFORMATION): (
            "Edited Synchronization", "Edited Tagging", "Edited Deployment", "Edited the app configuration",
            "Discarded the draft", "Undid the removal",
        ),
        (_ACTION, _INFORMATION): ("Paused", "Resumed"),
        (_ACTION, _WARNING): ("Turned event notifications on", "Turned event notifications off"),
        (_SECRET, _WARNING): (
            "Rotated the token", "Ended the overlap of the tokens", "Rotated the event password",
        ),
        (_REMOVAL, _CRITICAL): ("Removed", "Removed, devices kept", "Removed with its devices"),
        (_EXPORT, _INFORMATION): ("Exported Integration Information",),
    },
    "Synchronization": {
        (_ACTION, _INFORMATION): (
            "Asked for a sync", "Cancelled the sync", "Asked for an app sync", "Cancelled the app sync",
        ),
        (_REMOVAL, _CRITICAL): ("Approved deletions",),
        (_ACTION, _WARNING): ("Dismissed deletions",),
        (_EXPORT, _INFORMATION): ("Exported runs", "Exported held deletions"),
    },
    "Devices": {
        (_REMOVAL, _WARNING): ("Deleted devices",),
        (_ACTION, _INFORMATION): ("Restored devices",),
        (_EXPORT, _INFORMATION): (
            "Exported devices", "Exported devices of a tag", "Exported events", "Exported apps",
        ),
        (_SECRET, _INFORMATION): ("Made a registration code",),
        (_ACTION, _WARNING): ("Reset the registration",),
    },
    "Tagging": {
        (_ACTION, _INFORMATION): ("Asked for tagging", "Cancelled the tagging"),
        (_CREATION, _INFORMATION): ("Created tags in the UEM",),
        (_REMOVAL, _WARNING): ("Asked to take tags off the devices",),
    },
    "Policy": {
        (_SETTINGS, _WARNING): ("Changed the policy", "Set an app exception", "Lifted an app exception"),
        (_EXPORT, _INFORMATION): ("Exported the policy preview",),
    },
    "Messages": {
        (_SETTINGS, _INFORMATION): (
            "Changed the mail server", "Removed the mail server", "Added a message channel",
            "Changed a message channel", "Removed a message channel", "Edited the registration messages",
            "Reset the registration messages", "Edited notices",
        ),
        (_ACTION, _INFORMATION): (
            "Asked for a message to be sent", "Cancelled a message", "Sent registration messages",
            "Asked for messages to be sent", "Cancelled the sending of messages",
        ),
    },
    "Network": {
        (_CREATION, _WARNING): ("Added a Connector",),
        (_SECRET, _WARNING): ("Rotated the key of a Connector",),
        (_REMOVAL, _WARNING): ("Revoked a Connector",),
        (_SETTINGS, _WARNING): ("Changed the outbound proxy", "Removed the outbound proxy"),
    },
    "Destinations": {
        (_CREATION, _WARNING): ("Added a destination",),
        (_SETTINGS, _WARNING): ("Changed a destination",),
        (_SECRET, _WARNING): ("Rotated the secret of a destination",),
        (_REMOVAL, _WARNING): ("Removed a destination",),
        (_ACTION, _WARNING): ("Paused a destination",),
        (_ACTION, _INFORMATION): (
            "Resumed a destination", "Replayed a delivery", "Replayed a destination",
        ),
        (_ACTION, _CRITICAL): ("Removed unsent records",),
    },
    "System": {
        (_SECRET, _WARNING): ("Rotated the secrets",),
        (_ACTION, _CRITICAL): ("Database restored", "Audit trail does not verify", "Ended the caution mode"),
        (_EXPORT, _INFORMATION): ("Exported the audit trail",),
    },
}  # fmt: skip
# What the table does not know is recorded all the same.
_OTHER = Classification("Other", "Other", Severity.INFORMATION)

EVENTS: Mapping[str, Classification] = {
    what: Classification(module, category, severity)
    for module, kinds in _TABLE.items()
    for (category, severity), whats in kinds.items()
    for what in whats
}
MODULES = (*_TABLE, _OTHER.module)
CATEGORIES = (*sorted({event.category for event in EVENTS.values()}), _OTHER.category)


def classified(what: str) -> Classification:
    """Return where an event belongs and how grave it is."""
    return EVENTS.get(what, _OTHER)
