"""`/metrics` for Prometheus: how the product does, in numbers, for whoever has the token."""

from __future__ import annotations

import hmac

from flask import Blueprint, Flask, Response, abort, current_app, request

from harmony.config import current_settings
from harmony.db import db
from harmony.ops.metrics import requests, series
from harmony.ops.metrics.exposition import CONTENT_TYPE, exposition
from harmony.security.auth import public

blueprint = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    """Count requests, and answer with the metrics."""
    requests.init_app(app)
    app.register_blueprint(blueprint)


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Answer whoever has the token; without one in the settings there is no such page."""
    token = current_settings().metrics_token
    if not token:
        abort(404)
    sent = request.headers.get("Authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        return Response(
            "A token is needed: Authorization: Bearer …\n",
            401,
            {"WWW-Authenticate": "Bearer"},
            mimetype="text/plain",
        )
    text = exposition([*series.families(), *requests.counts_of(current_app).families()])
    db.session.rollback()
    return Response(text, content_type=CONTENT_TYPE)
