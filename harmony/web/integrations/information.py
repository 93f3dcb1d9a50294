"""Integration Information: the settings of an integration as one table, to print and as a file."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import Configuration
from harmony.security.permissions import Permission, needs
from harmony.setup import information
from harmony.uem.trust.certificates import usable_certificates
from harmony.uem.trust.x509 import CertificateSummary
from harmony.web.app_configuration.views import server_address
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint("information", __name__, url_prefix="/integrations/<int:integration_id>/information")


@blueprint.get("")
def show(integration_id: int) -> ResponseReturnValue:
    """Show the settings in force; of an integration that is not finished, what was typed so far."""
    integration = connected_or_404(integration_id)
    return render_template(
        "integrations/information.html",
        integration=integration,
        sections=_sections(integration),
        is_draft=integration.state == IntegrationState.DRAFT,
        printed_at=now(),
    )


@blueprint.post("/information.csv")
@needs(Permission.VIEW_ALL)
def export(integration_id: int) -> ResponseReturnValue:
    """Return the same as a file."""
    integration = connected_or_404(integration_id)
    rows = [(section.title, *line) for section in _sections(integration) for line in section.lines]
    name, event = f"integration-{integration_id}", "Exported Integration Information"
    header = ("Page", "Setting", "Value")
    return csv_file(name, header, rows, event=event, integration_id=integration_id)


def values_of(integration: Integration) -> Configuration:
    """Return what is in force, of a draft what was typed."""
    return integration.draft if integration.state == IntegrationState.DRAFT else integration.in_force


def _sections(integration: Integration) -> list[information.Section]:
    values = values_of(integration)
    pem = values.server.certificate if values.server.self_signed else ""
    certificates = [_certificate_line(certificate) for certificate in usable_certificates(pem, now())]
    expired = ["Expired, or not usable any more"] if pem and not certificates else []
    return information.sections(values, server_address(), certificates + expired)


def _certificate_line(certificate: CertificateSummary) -> str:
    until = f"{certificate.not_after:%d %b %Y}"
    return f"{certificate.subject}, valid until {until}, SHA-256 {certificate.sha256}"
