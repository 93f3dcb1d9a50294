"""Export: the settings of one integration as a configuration file, from its menu."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from harmony.config import current_settings
from harmony.db import db
from harmony.models import Integration, IntegrationState
from harmony.ops.configuration_file import messages
from harmony.ops.configuration_file.export import Exported, write_yaml
from harmony.protection import policy
from harmony.security.permissions import Permission, needs

blueprint = Blueprint("configuration_file", __name__)

FINISHED = (IntegrationState.ACTIVE, IntegrationState.PAUSED)


@blueprint.get("/integrations/<int:integration_id>/configuration.yaml")
@needs(Permission.ADMINISTER)
def export(integration_id: int) -> Response:
    """Return the file that `flask integrations export` writes of this integration: no secret is in it."""
    integration = db.get_or_404(Integration, integration_id)
    if integration.state not in FINISHED:
        abort(404)
    _, record = policy.in_force(db.session())
    exported = [Exported(integration.id, integration.in_force)]
    text = write_yaml(exported, record, current_settings(), messages.section())
    name = f"integration-{integration_id}.yaml"
    return Response(
        text,
        mimetype="application/yaml",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
