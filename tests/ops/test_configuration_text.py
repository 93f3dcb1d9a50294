"""A configuration file as text (rung: pure): what it may say, and that it says all of the settings."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.config import Settings
from harmony.models import PolicyRecord
from harmony.models.configuration import (
    PAGES,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ChosenGroup,
    Configuration,
    Deployment,
    ServerDetails,
    Synchronization,
    Tagging,
)
from harmony.ops.configuration_file.export import Exported, write_yaml
from harmony.ops.configuration_file.problems import FileRefused
from harmony.ops.configuration_file.schema import KEYS, LEFT_OUT, SWITCHES, parse
from harmony.ops.configuration_file.sections import put
from harmony.security.credentials import SECRET_FIELDS, fields_in_use
from harmony.web.wizard.differences import differences
from harmony.web.wizard.steps import STEPS

TEXT = st.text(max_size=40)
NAME = st.text(min_size=1, max_size=40)
GROUPS = st.builds(
    ChosenGroup,
    kind=st.sampled_from(["organization", "smart"]),
    external_id=st.from_regex("[0-9]{1,6}", fullmatch=True),
    name=NAME,
    android_enterprise=st.booleans(),
)
INTEGERS = st.integers(-(10**9), 10**9)
CONFIGURATIONS = st.builds(
    Configuration,
    server=st.builds(
        ServerDetails,
        display_name=NAME, server_address=TEXT, use_oauth2=st.booleans(), token_address=TEXT, client_id=TEXT,
        username=TEXT, self_signed=st.booleans(), certificate=TEXT,
    ),
    synchronization=st.builds(
        Synchronization,
        groups=st.lists(GROUPS, max_size=4, unique_by=lambda each: (each.kind, each.external_id)).map(tuple),
        import_name=st.booleans(), import_number=st.booleans(), import_email=st.booleans(),
        device_interval=INTEGERS, deletion_threshold=INTEGERS, deletion_after=INTEGERS,
        app_interval=INTEGERS, delta=st.booleans(),
    ),
    tagging=st.builds(
        Tagging,
        tag_status=st.booleans(), tag_risk=st.booleans(), tag_factors=st.booleans(),
        tag_no_risk=st.booleans(), prefix=TEXT, names=st.dictionaries(TEXT, TEXT, max_size=4),
        adopted=st.lists(TEXT, max_size=3).map(tuple),
    ),
    deployment=st.builds(Deployment, auto_addition=st.booleans()),
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = Settings(data_dir=Path("/nowhere"))


def read_back(text: str) -> Configuration:
    """The records of the first integration of a file, on top of an empty installation."""
    said = parse(text).file.integrations[0]
    records = {page: put(kind(), said.said(page)) for page, kind in PAGES.items()}
    records[SERVER] = msgspec.structs.replace(records[SERVER], display_name=said.display_name)
    return Configuration(**records)


@given(CONFIGURATIONS)
def test_what_is_exported_is_read_as_it_was(configuration: Configuration) -> None:
    text = write_yaml([Exported(1, configuration)], PolicyRecord(), SETTINGS)
    assert read_back(text) == configuration
    assert write_yaml([Exported(1, read_back(text))], PolicyRecord(), SETTINGS) == text


@given(CONFIGURATIONS, st.text(alphabet="abcdef0123456789", min_size=30, max_size=40))
def test_no_sealed_value_is_exported_and_each_secret_in_use_names_its_variable(
    configuration: Configuration, sealed: str
) -> None:
    sealed = f"v1.{sealed}"
    server = msgspec.structs.replace(configuration.server, **dict.fromkeys(SECRET_FIELDS, sealed))
    deployment = msgspec.structs.replace(configuration.deployment, token=sealed)
    configuration = msgspec.structs.replace(configuration, server=server, deployment=deployment)
    text = write_yaml([Exported(7, configuration)], PolicyRecord(), SETTINGS)
    assert sealed not in text
    for name in fields_in_use(server):
        variable = f"HARMONY_UEM_7_{name.upper()}"
        assert f"      {name}: ${{{variable}}}  # from the environment variable {variable}\n" in text


def test_every_field_of_a_page_is_in_the_file_or_is_left_out_for_a_reason() -> None:
    fields = {(page, name) for page, kind in PAGES.items() for name in kind.__struct_fields__}
    keys = {(page, name) for page in PAGES for name in KEYS[page] if name not in SWITCHES}
    assert fields == keys | set(LEFT_OUT)


HEAD = "version: 1\nintegrations:\n- display_name: Acme\n"
WRONG = [
    ("", "the key version is missing"),
    ("version: 2\n", "version (line 1): this Harmony reads version 1"),
    ("version: 1\nversion: 1\n", "version (line 2): this key stands here twice"),
    ("version: [", "Line 1: this is not YAML"),
    ("- 1\n", "this must be keys with values, and is a list"),
    ("version: 1\nusers: []\n", "users (line 2): there is no such key"),
    ("version: 1\nintegrations:\n- kind: workspace_one\n", "the key display_name is missing"),
    (HEAD + "  kind: intune\n", "integrations[0].kind (line 4): Invalid enum value 'intune'"),
    (HEAD + "- display_name: 'Acme '\n", "integrations[1].display_name (line 4): another integration"),
    (
        HEAD + "  server:\n    use_oauth: true\n",
        "integrations[0].server.use_oauth (line 5): there is no such",
    ),
    (
        HEAD + "  synchronization:\n    device_interval: '60'\n",
        "integrations[0].synchronization.device_interval (line 5): this must be a whole number",
    ),
    (
        HEAD + "  synchronization:\n    groups:\n    - {kind: smart, id: 1}\n    - {kind: smart}\n",
        "integrations[0].synchronization.groups[1] (line 7): the key id is missing",
    ),
    (
        HEAD + "  tagging:\n",
        "integrations[0].tagging (line 4): this must be keys with values, and is nothing",
    ),
    (HEAD + "  tagging: &a {}\n  deployment: *a\n", "deployment (line 4): anchors and aliases"),
    ("version: 1\npolicy: {risks: !!python/name:os.system x}\n", "policy.risks (line 2): this value cannot"),
    ("version: 1\nretention: {runs_kept: 3}\n", "retention.runs_kept (line 2): there is no such key"),
    ("version: 1\n" + "a: " * 3, "this is not YAML"),
    ("version: 1\npolicy: " + "[" * 500 + "]" * 500, "nested too deeply"),
    ("x" * 1024 * 1025, "larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_a_file_cannot_say_is_named_by_its_path_and_line(text: str, sentence: str) -> None:
    with pytest.raises(FileRefused) as refused:
        parse(text)
    assert sentence in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with suppress(FileRefused):
        assert parse(f"version: 1\n{text}").file.version == 1


ACME = ChosenGroup(kind="organization", external_id="570", name="Acme")
PILOT = ChosenGroup(kind="smart", external_id="12", name="Pilot", android_enterprise=True)
SAME_SERVER = {"server_address": "https://a.test", "token_address": "https://na.test/token"}
CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        SYNCHRONIZATION,
        {"groups": (ACME,), "device_interval": 60},
        {"groups": (PILOT,), "device_interval": 120, "delta": False},
        [
            "Group(s): Pilot (smart group 12) added",
            "Group(s): Acme (organization group 570) removed",
            "Android Enterprise Groups: Pilot (smart group 12) added",
            "Device sync interval: 60 → 120 minutes",
            "Refresh recently seen devices between syncs: on → off",
        ],
    ),
    (SYNCHRONIZATION, {"groups": (ACME, PILOT)}, {"groups": (PILOT, ACME)}, []),
    (
        SYNCHRONIZATION,
        {"groups": (ACME,)},
        {"groups": (msgspec.structs.replace(ACME, name="Acme Ltd", organization_group_id="1"),)},
        [],
    ),
    (
        SERVER,
        SAME_SERVER | {"client_id": "a", "client_secret": "sealed", "certificate": "not in use"},
        SAME_SERVER | {"client_id": "b", "client_secret": "sealed anew"},
        ["Client ID: a → b", "Client Secret: another one"],
    ),
    (
        SERVER,
        {"token_address": "https://na.uemauth.workspaceone.com/connect/token"},
        {"token_address": "https://na.test/token"},
        ["Token Address: North America → https://na.test/token"],
    ),
    (
        TAGGING,
        {},
        {"tag_no_risk": True, "names": {"risk:high": "Danger"}, "adopted": ("Danger",)},
        [
            "Tag No Risk as well: off → on",
            "High: CHKP_Risk_High → Danger",
            "Tags to adopt: Danger added",
        ],
    ),
]


@pytest.mark.parametrize(("page", "before", "after", "lines"), CHANGES)
def test_changes_are_said_in_the_words_of_the_pages(
    page: str, before: dict[str, Any], after: dict[str, Any], lines: list[str]
) -> None:
    kind = PAGES[page]
    assert differences(STEPS[page], kind(**before), kind(**after)) == lines


def test_the_example_of_the_document_is_a_file() -> None:
    text = (ROOT / "docs/configuration-as-code.md").read_text("utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    [integration] = parse(example).file.integrations
    assert integration.display_name == "Head office"
