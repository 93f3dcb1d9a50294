"""Promises about the unit for systemd: what it forbids, and its score where `systemd-analyze` is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from harmony.config import Settings

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
UNIT, KEYS, AGENT = (
    DEPLOY / "harmony.service",
    DEPLOY / "harmony-keys.conf",
    DEPLOY / "harmony-connector.service",
)
FORBIDDEN = {
    "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "AmbientCapabilities": "",
    "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "PrivateUsers": "yes", "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes", "ProtectControlGroups": "yes", "ProtectClock": "yes",
    "ProtectHostname": "yes", "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes", "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes", "RemoveIPC": "yes", "SystemCallArchitectures": "native",
    "StateDirectoryMode": "0700", "UMask": "0077",
}  # fmt: skip


def directives(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def test_the_service_may_do_nothing_that_it_need_not() -> None:
    said = directives(UNIT)
    assert {name: said[name] for name in FORBIDDEN} == {name: [value] for name, value in FORBIDDEN.items()}
    assert said["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert said["User"] == ["harmony"]
    assert said["ProcSubset"] == ["all"], "the worker reads the id of the boot"


def test_the_agent_of_a_connector_may_do_even_less() -> None:
    said = directives(AGENT)
    # It needs neither a folder of its own nor a socket to anything on its machine.
    less = FORBIDDEN | {"RestrictAddressFamilies": "AF_INET AF_INET6"}
    del less["StateDirectoryMode"]
    assert {name: said[name] for name in less} == {name: [value] for name, value in less.items()}
    assert (said["DynamicUser"], said["ProcSubset"], said["StateDirectory"]) == (["yes"], ["pid"], [])
    assert said["LoadCredential"] == ["connector.key:/etc/harmony/connector.key"]


def test_a_command_runs_with_the_user_settings_and_keys_of_the_service(tmp_path: Path) -> None:
    shown = tmp_path / "runuser"
    shown.write_text('#!/bin/sh\necho "$@"\nenv | grep ^HARMONY_ | sort\n')
    shown.chmod(0o700)
    url = "HARMONY_DATABASE_URL=postgresql://h?a=$b&c d"
    settings = ["# ours", "PATH=/x", ' HARMONY_NODE="two words" \r', url]
    (tmp_path / "harmony.env").write_text("\n".join(settings))
    (tmp_path / "vault.keys").write_text("new old\n")
    (tmp_path / "secret.key").write_text("signs\n")
    outside = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CONFIGURATION_DIRECTORY": str(tmp_path)}
    command = [DEPLOY / "harmony-command", "users", "add", "kim"]
    said = subprocess.run(command, env=outside, check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [
        "-u harmony -- .venv/bin/flask --app app users add kim",
        "HARMONY_DATABASE_URL=postgresql://h?a=$b&c d",
        "HARMONY_DATA_DIR=/var/lib/harmony",
        "HARMONY_NODE=two words",
        "HARMONY_SECRET_KEY=signs",
        "HARMONY_VAULT_KEYS=new old",
    ]


def test_a_command_refuses_settings_that_systemd_reads_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "harmony.env").write_text("HARMONY_BACKUP_PASSPHRASE=plum\\\\otter\n")
    outside = {"PATH": "/usr/bin:/bin", "CONFIGURATION_DIRECTORY": str(tmp_path)}
    command = [DEPLOY / "harmony-command", "doctor"]
    refused = subprocess.run(command, env=outside, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "write HARMONY_BACKUP_PASSPHRASE without a backslash" in refused.stderr
    assert "otter" not in refused.stderr


@pytest.mark.parametrize("unit", [UNIT, AGENT], ids=lambda unit: unit.stem)
def test_systemd_rates_the_services_as_exposed_by_1_5_at_most(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        return  # the directives are what the rating is made of: the test above
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(unit)]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout
    score = re.search(r"exposure level for \S+: (\d+\.\d+)", rated.stdout)
    assert score is not None
    assert float(score[1]) <= 1.5


def test_a_stop_waits_until_harmony_has_finished() -> None:
    said = directives(UNIT)
    assert said["TimeoutStopSec"] == ["60"]
    assert said["KillMode"] == ["mixed"], "the supervisor stops its children itself"


def test_the_keys_are_read_from_credentials(tmp_path: Path) -> None:
    said = directives(KEYS)
    names = [value.partition(":")[0] for value in said["LoadCredential"]]
    environment = dict(value.split("=", 1) for value in said["Environment"])
    given = {name: value.replace("%d", str(tmp_path)) for name, value in environment.items()}
    for name in names:
        (tmp_path / name).write_text("k" * 44)
    settings = Settings.from_environment(given)
    assert (settings.vault_keys, settings.secret_key) == (("k" * 44,), "k" * 44)
    assert {Path(path).name for path in given.values()} == set(names)
