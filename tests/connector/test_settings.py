"""The settings of an agent: refused in one sentence when something is wrong. Rung: pure, and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harmony.connector.settings import AgentSettingsError, read_settings
from harmony.uem.trust.proxy import Proxy

KEY = "hmconnector_abcdefgh"
GOOD = {
    "HARMONY_CONNECTOR_DASHBOARD": "https://harmony.example",
    "HARMONY_CONNECTOR_KEY": KEY,
    "HARMONY_CONNECTOR_ALLOW": "https://uem.corp.example",
}


def test_three_settings_are_enough_and_the_key_is_not_shown() -> None:
    found = read_settings({**GOOD, "PATH": "/bin"})
    assert (found.dashboard.url, found.key, found.calls) == ("https://harmony.example", KEY, 8)
    assert KEY not in repr(found)


def test_key_and_certificates_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "ca.pem").write_text("PEM")
    files = {"HARMONY_CONNECTOR_KEY_FILE": "key", "HARMONY_CONNECTOR_DASHBOARD_CA_FILE": "ca.pem"}
    given = GOOD | {name: str(tmp_path / file) for name, file in files.items()}
    del given["HARMONY_CONNECTOR_KEY"]
    found = read_settings(given)
    assert (found.key, found.dashboard_ca, found.uem_ca) == (KEY, "PEM", None)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DASHBOARD", "", "Set HARMONY_CONNECTOR_DASHBOARD"),
        ("DASHBOARD", "harmony.example", "HARMONY_CONNECTOR_DASHBOARD: The address is not complete"),
        ("DASHBOARD", "http://harmony.example", "only https:// keeps the key secret"),
        ("KEY", "", "Set HARMONY_CONNECTOR_KEY_FILE"),
        ("KEY", "hmkey_of_a_device", "not one of a Connector"),
        ("KEY_FILE", "/nowhere/key", "cannot be read (No such file or directory)"),
        ("ALLOW", "", "Set HARMONY_CONNECTOR_ALLOW"),
        ("ALLOW", "https://", "HARMONY_CONNECTOR_ALLOW: The address"),
        ("UEM_PROXY", "proxy.example.com:3128", "is written as http://proxy.example.com:3128"),
        ("DASHBOARD_PROXY", "http://proxy.example.com:a", "is written as http://proxy.example.com:3128"),
        ("CALLS", "0", "a number from 1 to 32"),
        ("CALLS", "many", "a number from 1 to 32"),
        ("LOG_LEVEL", "LOUD", "is one of DEBUG"),
        ("ALOW", "https://uem.corp.example", "HARMONY_CONNECTOR_ALOW is not a setting"),
    ],
)
def test_a_wrong_setting_is_named_with_its_reason(name: str, value: str, says: str) -> None:
    given = {**GOOD, f"HARMONY_CONNECTOR_{name}": value}
    if name == "KEY_FILE":
        del given["HARMONY_CONNECTOR_KEY"]
    with pytest.raises(AgentSettingsError) as refused:
        read_settings(given)
    assert says in str(refused.value)
    assert KEY not in str(refused.value)


def test_a_proxy_has_a_port_and_maybe_credentials() -> None:
    found = read_settings(GOOD | {"HARMONY_CONNECTOR_UEM_PROXY": "http://kim:a%3Ab@proxy.example.com"})
    assert found.uem_proxy == Proxy("proxy.example.com", 3128, "kim", "a:b")
    assert "a:b" not in repr(found)
    assert found.dashboard_proxy is None


def test_a_connector_may_be_for_receivers_of_records_alone() -> None:
    found = read_settings(GOOD | {"HARMONY_CONNECTOR_ALLOW": "syslog://siem.corp.example:6514"})
    assert found.allowed.shown() == ("syslog://siem.corp.example:6514",)


def test_http_is_for_a_dashboard_on_the_same_machine() -> None:
    assert (
        read_settings(GOOD | {"HARMONY_CONNECTOR_DASHBOARD": "http://127.0.0.1:8000"}).dashboard.port == 8000
    )
