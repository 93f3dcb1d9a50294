"""What the machine puts around the product (rung M): names of folders, locale, variables, addresses."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.processes.product import ROOT, Product, running
from tests.sampling import sample
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

HAZARDS = ["what? 100% #1 & co", "%(here)s;mode=memory", "ünïcode ☃ é"]
NAMES = sample([" ".join(HAZARDS)], HAZARDS)
OURS = {"harmony.db", "queue.db", "secret.key", "vault.keys"}
# Not even UTF-8 as the way out that Python has for the C locale.
C_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def flask(product: Product, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A command of ours on the data of `product`, in its environment."""
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    return subprocess.run(command, cwd=ROOT, env=product.environment, capture_output=True, check=False)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_everything_is_in_the_named_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "around" / name
    (tmp_path / "around").mkdir()
    with running(folder, anew=True, **C_LOCALE) as product:
        product.until_ready()
        assert product.stop() == 0
    beside = [path.name for path in folder.parent.iterdir() if not path.name.endswith(".output")]
    assert beside == [name]
    assert {path.name for path in folder.iterdir()} >= OURS
    backup = folder / "copy of it?.db"
    for arguments in (("db", "backup", str(backup)), ("db", "check-file"), ("db", "restore", str(backup))):
        done = flask(product, *arguments)
        assert done.returncode == 0, done.stderr
    doctor = flask(product, "doctor")
    assert b"The vault's keys" in doctor.stdout
    assert doctor.stderr == b""
    assert [path.name for path in folder.parent.iterdir() if not path.name.endswith(".output")] == [name]


def test_the_variables_of_a_kubernetes_service_cost_one_warning(tmp_path: Path) -> None:
    service = {"HARMONY_PORT": "tcp://10.96.7.3:8000", "HARMONY_SERVICE_HOST": "10.96.7.3"}
    empty = {"HARMONY_DATABASE_URL": "", "HARMONY_TRUSTED_PROXIES": " ", "HARMONY_SECRET_KEY_FILE": ""}
    with running(tmp_path / "data", **service, **empty) as product:
        product.until_ready()
        warnings = [line for line in product.lines() if "Ignored" in line]
        assert len(warnings) == 1
        assert "Ignored HARMONY_PORT and 1 more: Kubernetes sets that" in warnings[0]
        assert product.stop() == 0


def test_it_listens_on_an_ipv6_address_and_refuses_the_second_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    bind = f"[::1]:{port}"
    with running(tmp_path / "data", HARMONY_BIND=bind) as product:
        wait_for(lambda: f"Listening at: http://{bind}" in product.text(), "the dashboard")
        assert requests.get(f"http://{bind}/healthz", timeout=10).json()["status"] == "ok"
        with running(tmp_path / "other", HARMONY_BIND=bind) as second:
            assert second.ended() == 2
            assert second.lines()[0].startswith(f"Harmony does not start: {bind} cannot be listened on (")
        assert product.stop() == 0


@pytest.mark.parametrize("bind", ["no.such.host.invalid:8000", f"{'x' * 70}.example:80", "[fe80::1]:80"])
def test_an_address_that_is_not_of_this_machine_is_refused_in_one_sentence(tmp_path: Path, bind: str) -> None:
    with running(tmp_path / "data", HARMONY_BIND=bind) as product:
        assert product.ended() == 2
        (line,) = product.lines()
        assert line.startswith(f"Harmony does not start: {bind} cannot be listened on (")
