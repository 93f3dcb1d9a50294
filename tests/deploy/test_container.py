"""Promises about the container (pure): what the Dockerfile, compose files and manifests ask for, by rules.

`make image-test` builds the image and runs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from harmony.config import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of word and argument, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def last_stage() -> dict[str, str]:
    every = instructions()
    start = max(at for at, (word, _) in enumerate(every) if word == "FROM")
    return dict(every[start:])


def documents(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((DEPLOY / name).read_text("utf-8")) if one]


def pod() -> dict[str, Any]:
    (found,) = (one for one in documents("kubernetes/harmony.yaml") if one["kind"] == "StatefulSet")
    assert found["spec"]["replicas"] == 1
    return dict(found["spec"]["template"]["spec"])


def test_the_image_runs_as_a_user_without_a_name_or_rights() -> None:
    stage = last_stage()
    assert stage["USER"] == "10001:10001"
    assert stage["VOLUME"] == "/data"
    assert "-o 10001 -g 10001 /data" in stage["RUN"]
    assert stage["COPY"] == "--from=build /opt/harmony /opt/harmony", "nothing of the build's tools"


def test_the_command_and_the_health_check_are_started_without_a_shell() -> None:
    stage = last_stage()
    assert stage["CMD"] == '["python", "app.py"]'
    assert stage["HEALTHCHECK"].endswith('CMD ["python", "-I", "-S", "deploy/healthcheck.py"]')


def test_every_step_that_installs_leaves_no_lists_and_nothing_optional() -> None:
    for word, said in instructions():
        if word == "RUN" and "apt-get" in said:
            assert "--no-install-recommends" in said
            assert "rm -rf /var/lib/apt/lists/*" in said
    assert not any(word == "ADD" or "curl" in said or "sudo" in said for word, said in instructions())


def test_nothing_is_built_with_tools_of_no_version() -> None:
    (step,) = (said for word, said in instructions() if word == "RUN" and "pip install" in said)
    tools, rest = (part.split(" && ")[0] for part in step.split("pip install ")[1:])
    named = [word for word in tools.split() if not word.startswith("--")]
    assert (bool(named), [name for name in named if "==" not in name]) == (True, [])
    assert "--no-build-isolation" in rest.split()
    assert {"--only-binary=:all:", "--no-binary=psycopg-c"} < set(rest.split())


def test_the_base_is_named_with_its_release_and_can_be_replaced() -> None:
    every = instructions()
    assert every[0] == ("ARG", "BASE=docker.io/library/debian:trixie-slim")
    assert {said.split()[0] for word, said in every if word == "FROM"} == {"${BASE}"}


def test_only_what_the_image_copies_is_sent_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = [said.split()[:-1] for word, said in instructions() if word == "COPY" and "--from" not in said]
    assert sent == {path for paths in copied for path in paths}
    assert all((ROOT / path).exists() for path in sent)


LOADS_ALL = """
import sys
from importlib import import_module
from pkgutil import walk_packages
import harmony
from harmony.messages.gateway_address import CHAT_SERVICES, SMS_SERVICES
for module in walk_packages(harmony.__path__, "harmony."):
    if ".migrations" not in module.name:
        import_module(module.name)
services = {module for module, _ in (SMS_SERVICES | CHAT_SERVICES).values()}
for service in services:
    import_module(f"apprise.plugins.{service}")
import apprise, psycopg, webauthn
from deploy import leave_out
packages = leave_out.Path(apprise.__file__).parent.parent
left_out = set(leave_out.of_packages(packages, frozenset(services)))
files = (getattr(module, "__file__", None) for module in sys.modules.values())
loaded = {leave_out.Path(file) for file in files if file}
print(len(left_out), sorted(str(file) for file in loaded if left_out & {file, *file.parents}))
"""


def test_the_image_leaves_out_no_module_that_harmony_loads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS_ALL], cwd=ROOT, capture_output=True, text=True, check=True
    )
    count, _, needed = done.stdout.strip().partition(" ")
    assert (int(count) > 200, needed) == (True, "[]")


def test_the_settings_of_the_image_are_settings_of_harmony() -> None:
    words = dict(word.split("=", 1) for word in last_stage()["ENV"].split())
    settings = Settings.from_environment(words)
    assert (settings.data_dir, settings.bind) == (Path("/data"), ("0.0.0.0", 8000))  # noqa: S104
    assert last_stage()["EXPOSE"] == "8000"


def test_compose_gives_the_container_no_rights_and_one_folder() -> None:
    (whole,) = documents("compose.yaml")
    service = whole["services"]["harmony"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/data"]
    assert service["ports"] == ["127.0.0.1:8000:8000"], "without HTTPS only this machine may reach it"
    assert "cap_add" not in service
    assert "privileged" not in service
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def test_every_node_of_several_has_no_rights_and_the_same_keys_from_outside() -> None:
    (whole,) = documents("compose.nodes.yaml")
    web, worker = whole["services"]["web"], whole["services"]["worker"]
    for service, part in ((web, "--web"), (worker, "--worker")):
        assert service["command"] == ["python", "app.py", part]
        assert service["deploy"]["replicas"] == 2
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        for key in ("HARMONY_VAULT_KEYS", "HARMONY_SECRET_KEY"):
            assert service["environment"][key] == f"${{{key}:?is not set}}", "one that is made would differ"
    assert web["ports"] == ["127.0.0.1:8000-8001:8000"], "without HTTPS only this machine may reach it"
    assert "ports" not in worker


@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("compose.yaml", ("harmony",)),
        ("compose.postgres.yaml", ("harmony",)),
        ("compose.nodes.yaml", ("web", "worker")),
    ],
)
def test_what_compose_sets_is_understood(name: str, services: tuple[str, ...]) -> None:
    (whole,) = documents(name)
    for service in services:
        given = {
            name: re.sub(r"\$\{HARMONY_\w+(:-(.*?)|:\?.*?)\}", lambda found: found[2] or "", value)
            for name, value in whole["services"][service]["environment"].items()
        }
        Settings.from_environment(given)


def test_the_pod_may_do_nothing_and_is_asked_for_its_health() -> None:
    spec = pod()
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}  # noqa: S108
    Settings.from_environment({one["name"]: one["value"] for one in container["env"]})


def test_whoever_stops_the_container_waits_until_harmony_has_finished() -> None:
    (whole,) = documents("compose.yaml")
    assert whole["services"]["harmony"]["stop_grace_period"] == "60s"
    assert pod()["terminationGracePeriodSeconds"] == 60


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/healthz" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - what the image has
def test_the_health_check_tells_what_the_dashboard_answers(
    dashboard: HTTPServer, status: int, code: int, host: str
) -> None:
    dashboard.status = status  # type: ignore[attr-defined]
    assert health_check(f"{host}:{dashboard.server_address[1]}") == code


def test_the_health_check_fails_where_nobody_answers() -> None:
    assert health_check("127.0.0.1:1") == 1


def health_check(bind: str) -> int:
    command = [sys.executable, "-I", "-S", "deploy/healthcheck.py"]
    return subprocess.run(
        command, cwd=ROOT, env={"HARMONY_BIND": bind}, capture_output=True, check=False
    ).returncode
