"""Promises about the manifests (pure): Kubernetes takes them, and they agree with image and product."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest
from flask import Flask

from harmony.config import Settings
from tests.deploy.test_container import documents, last_stage, pod

FILE = "kubernetes/harmony.yaml"
# The oldest and the newest whose schemas the package brings, and one between.
RELEASES = ("1.25", "1.31", "1.37")


@pytest.mark.parametrize("release", RELEASES)
def test_the_manifests_follow_the_published_schemas(release: str) -> None:
    for document in documents(FILE):
        assert kubernetes_validate.validate(document, release, strict=True) == release


@pytest.mark.parametrize("release", RELEASES)
def test_the_schemas_refuse_a_word_that_kubernetes_would_ignore(release: str) -> None:
    (stateful,) = (document for document in documents(FILE) if document["kind"] == "StatefulSet")
    wrong = copy.deepcopy(stateful)
    container = wrong["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, release, strict=True)


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


def test_the_pod_is_the_image_as_it_says_itself() -> None:
    stage, context = last_stage(), pod()["securityContext"]
    assert stage["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["fsGroup"] == context["runAsGroup"], "the volume is to be written by its group"
    assert [str(port["containerPort"]) for port in container()["ports"]] == stage["EXPOSE"].split()
    assert not {"command", "args", "workingDir"} & container().keys(), "the image's own"


def test_every_probe_asks_a_page_of_the_port_that_is_open(app: Flask) -> None:
    (port,) = container()["ports"]
    pages = {rule.rule for rule in app.url_map.iter_rules() if not rule.arguments}
    probes = [probe["httpGet"] for name, probe in container().items() if name.endswith("Probe")]
    assert len(probes) == 3
    for probe in probes:
        assert probe["path"] in pages
        assert probe["port"] == port["name"]


def test_what_is_mounted_is_a_volume_and_the_service_leads_to_the_pod() -> None:
    service, stateful = documents(FILE)
    volumes = {volume["name"] for volume in pod()["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert mounts.keys() == volumes
    assert mounts["data"] == last_stage()["VOLUME"]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [
        port["name"] for port in container()["ports"]
    ]


def test_what_kubernetes_sets_for_a_service_of_this_name_stops_no_start() -> None:
    """`enableServiceLinks` is off, but another manifest may leave it on."""
    links = {"HARMONY_PORT": "tcp://10.0.0.1:80", "HARMONY_SERVICE_HOST": "10.0.0.1"}
    given = {variable["name"]: variable["value"] for variable in container()["env"]}
    settings = Settings.from_environment(given | links)
    assert settings.trusted_proxies == 1
