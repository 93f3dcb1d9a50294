"""PURE: the record of an integration's settings, as the vendor's Integration Information table has it.

No secret stands in it, only whether one is stored (facts/harmony-mobile.md §1.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harmony.models.configuration import Configuration, ServerDetails, Synchronization, Tagging
from harmony.tagging.names import name_of, needed_keys


class Line(NamedTuple):
    """One setting with its value in words."""

    label: str
    value: str


class Section(NamedTuple):
    """The settings of one page of the wizard."""

    title: str
    lines: Sequence[Line]


def sections(values: Configuration, address: str, certificates: Sequence[str] = ()) -> list[Section]:
    """Return the settings in force with the address of the dashboard and the certificates of the server."""
    return [
        Section("Server Details", _server(values.server, certificates)),
        Section("Synchronization", _synchronization(values.synchronization)),
        Section("Tagging", _tagging(values.tagging)),
        Section("Deployment", _deployment(values, address)),
    ]


def _server(server: ServerDetails, certificates: Sequence[str]) -> list[Line]:
    lines = [Line("Display Name", server.display_name), Line("Server Address", server.server_address)]
    if server.use_oauth2:
        lines += [
            Line("Authentication", "OAuth2"),
            Line("Token Address", server.token_address),
            Line("Client ID", server.client_id),
            Line("Client Secret", _stored(server.client_secret)),
        ]
    else:
        lines += [
            Line("Authentication", "User name and API key"),
            Line("Username", server.username),
            Line("Password", _stored(server.password)),
            Line("API Key", _stored(server.api_key)),
        ]
    if server.connector:
        lines.append(Line("Connector", server.connector))
    lines.append(Line("Server uses self-signed certificate", _switch(on=server.self_signed)))
    return [*lines, *(Line("Certificate", certificate) for certificate in certificates)]


def _synchronization(choice: Synchronization) -> list[Line]:
    enterprise = [group.name for group in choice.groups if group.android_enterprise]
    data = {"name": choice.import_name, "number": choice.import_number, "email": choice.import_email}
    return [
        Line("Group(s)", ", ".join(f"{group.name} ({group.external_id})" for group in choice.groups)),
        Line("Android Enterprise Groups", ", ".join(enterprise) or "None"),
        Line("Import PII", ", ".join(f"device {what}" for what, on in data.items() if on) or "None"),
        Line("Device sync interval", f"{choice.device_interval} minutes"),
        Line("Device deletion threshold", f"{choice.deletion_threshold} %"),
        Line("Device deletion after", f"{choice.deletion_after} sync tries"),
        Line("App sync interval", f"{choice.app_interval} minutes"),
        Line("Refresh recently seen devices between syncs", _switch(on=choice.delta)),
    ]


def _tagging(tagging: Tagging) -> list[Line]:
    tags = ", ".join(name_of(key, tagging) for key in needed_keys(tagging))
    factors = f"{tagging.prefix}TF_…" if tagging.tag_factors else "None"
    return [
        Line("Tag device status", _switch(on=tagging.tag_status)),
        Line("Tag device risk", _switch(on=tagging.tag_risk)),
        Line("Tag device TF", _switch(on=tagging.tag_factors)),
        Line("Tags", tags or "None"),
        Line("Tags of threat factors", factors),
    ]


def _deployment(values: Configuration, address: str) -> list[Line]:
    deployment = values.deployment
    return [
        Line("Dashboard Address", address),
        Line("Token", _stored(deployment.token)),
        Line("Allow auto device addition prior to device sync", _switch(on=deployment.auto_addition)),
        Line("Expiry of devices that no sync lists", f"{deployment.unlisted_days} days"),
    ]


def _stored(sealed: str) -> str:
    return "Stored" if sealed else "Not stored"


def _switch(*, on: bool) -> str:
    return "On" if on else "Off"
