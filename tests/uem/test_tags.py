"""Tags: what the UEM's answers to writing them mean, mocked and over TLS. Rungs: R, S."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from harmony.simulator.context import Tenant
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.errors import Forbidden, HtmlAnswer, MalformedAnswer, NotFound, RequestRefused, UemError
from harmony.uem.http.client import TimeSource
from harmony.uem.records import BulkOutcome, Carriers, Tag
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.uem.test_workspace_one import BASIC, HOST, Reply, Seconds, reply, sent, serve

ADD, REMOVE = "/API/mdm/tags/7/adddevices", "/API/mdm/tags/7/removedevices"
NOBODY = {"errorCode": 404, "message": "Devices provided in the input could not be found", "activityId": "x"}
LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def client(wire: responses.RequestsMock, seconds: Seconds) -> Iterator[WorkspaceOne]:
    made = WorkspaceOne(BASIC, times=seconds.times())
    yield made
    made.close()


def answer(wire: responses.RequestsMock, path: str, *replies: Reply) -> None:
    left = list(replies)

    def give(_: Any) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    wire.add_callback(responses.POST, HOST + path, callback=give, content_type="application/json")


def counted(total: int, *faults: dict[str, Any], failed: int | None = None) -> Reply:
    count = len(faults) if failed is None else failed
    body: dict[str, Any] = {"TotalItems": total, "AcceptedItems": total - count, "FailedItems": count}
    return reply(body | ({"Faults": {"Fault": list(faults)}} if faults else {}))


def fault(device: str | int, code: int | str | None) -> dict[str, Any]:
    return {"ErrorCode": code, "ItemValue": device, "Message": "words"}


UNCLEAR = BulkOutcome(unclear={"1": 0, "2": 0})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (counted(2), BulkOutcome()),
        (reply("", 204), UNCLEAR),
        (reply({}), UNCLEAR),
        (reply({"TotalItems": 2, "AcceptedItems": 0, "FailedItems": 0}), UNCLEAR),
        (reply({"TotalItems": "2", "AcceptedItems": "2", "FailedItems": "0"}), BulkOutcome()),
        (reply({"TotalItems": 2, "AcceptedItems": 2, "FailedItems": -1}), UNCLEAR),
        (reply({"TotalItems": 9, "AcceptedItems": 9, "FailedItems": 0}), UNCLEAR),
        (reply({"TotalItems": 1, "AcceptedItems": 1, "FailedItems": 0}), UNCLEAR),
        (reply({"TotalItems": 2, "AcceptedItems": 2}), UNCLEAR),
        (reply({"TotalItems": 2, "AcceptedItems": 2, "FailedItems": 0, "Faults": "none"}), UNCLEAR),
        (counted(2, fault("2", 400), failed=0), BulkOutcome(unclear={"1": 0, "2": 400})),
        (counted(2, fault("x", 404), failed=1), UNCLEAR),
        (counted(2, fault("1", 404), fault("2", 404)), BulkOutcome(frozenset({"1", "2"}))),
        (counted(2, fault("1", 404)), BulkOutcome(frozenset({"1"}))),
        (counted(2, fault(1, "404")), BulkOutcome(frozenset({"1"}))),
        (counted(2, fault("2", 400)), BulkOutcome(unclear={"2": 400})),
        (counted(2, fault("2", None)), BulkOutcome(unclear={"2": 0})),
        (counted(2, fault("9", 404)), BulkOutcome(unclear={"1": 0, "2": 0})),
        (counted(2, failed=1), BulkOutcome(unclear={"1": 0, "2": 0})),
        (reply(NOBODY, 404), BulkOutcome(unclear={"1": 404, "2": 404})),
    ],
)
def test_an_answer_for_many_devices_tells_of_each(
    wire: responses.RequestsMock, client: WorkspaceOne, said: Reply, meant: BulkOutcome
) -> None:
    answer(wire, ADD, said)
    answer(wire, REMOVE, said)
    assert client.tag_devices("7", ["1", "2"]) == meant
    assert client.untag_devices("7", ["1", "2"]) == meant
    assert [json.loads(call.body or "") for call in sent(wire, ADD)] == [
        {"BulkValues": {"Value": ["1", "2"]}}
    ]
    assert sent(wire, ADD)[0].headers["Content-Type"] == "application/json;version=1"


ALREADY = [
    "Tag is already associated with the device", "TAG IS ALREADY ASSOCIATED WITH THE DEVICE.",
    "  Device is already tagged. ", "The tag has already been assigned to this device",
]  # fmt: skip
NOT_THERE = [
    "Tag is not associated with the device", "Tag is not associated with the device.",
    "TAG IS NOT ASSIGNED TO DEVICE", "This device doesn\u2019t have the tag", "Device is not tagged",
    "The tag is no longer present on the device",
]  # fmt: skip


@pytest.mark.parametrize("code", [400, 404, 409, 0, 7032, None, "x"])
@pytest.mark.parametrize("words", [*ALREADY, *NOT_THERE])
def test_a_fault_that_says_it_was_so_already_is_done_whatever_its_code(
    wire: responses.RequestsMock, client: WorkspaceOne, words: str, code: Any
) -> None:
    said = counted(2, {"ErrorCode": code, "ItemValue": "2", "Message": words})
    answer(wire, ADD, said)
    answer(wire, REMOVE, said)
    number = code if isinstance(code, int) else 0
    added, removed = client.tag_devices("7", ["1", "2"]), client.untag_devices("7", ["1", "2"])
    done, not_done = (added, removed) if words in ALREADY else (removed, added)
    assert done == BulkOutcome()
    assert not_done == BulkOutcome(unclear={"2": number}), "what was asked for is not so"


@pytest.mark.parametrize(
    ("words", "code", "meant"),
    [
        ("Device Not Found", 400, BulkOutcome(frozenset({"2"}))),
        ("Device could not be found or not enrolled", 0, BulkOutcome(frozenset({"2"}))),
        ("Tag not found", 404, BulkOutcome(unclear={"2": 404})),
        ("Device is not associated with the organization group", 400, BulkOutcome(unclear={"2": 400})),
        ("Etikett ist schon da", 400, BulkOutcome(unclear={"2": 400})),
        (None, 404, BulkOutcome(frozenset({"2"}))),
    ],
)
def test_a_fault_is_read_by_its_message_and_its_code(
    wire: responses.RequestsMock, client: WorkspaceOne, words: str | None, code: int, meant: BulkOutcome
) -> None:
    said = counted(2, {"ErrorCode": code, "ItemValue": "2", "Message": words})
    answer(wire, ADD, said)
    answer(wire, REMOVE, said)
    assert client.tag_devices("7", ["1", "2"]) == client.untag_devices("7", ["1", "2"]) == meant


@pytest.mark.parametrize("status", [400, 413, 414, 422])
@pytest.mark.parametrize("page", ["<html><body>Request Entity Too Large</body></html>", "{}"])
def test_a_call_that_is_declined_as_a_whole_says_with_which_status(
    wire: responses.RequestsMock, client: WorkspaceOne, status: int, page: str
) -> None:
    answer(wire, ADD, reply(page, status))
    with pytest.raises(UemError) as raised:
        client.tag_devices("7", ["1"])
    assert raised.value.status == status


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_no_answer_about_devices(
    wire: responses.RequestsMock, client: WorkspaceOne, status: int
) -> None:
    answer(wire, ADD, reply("<html>not found</html>", status))
    with pytest.raises(HtmlAnswer):
        client.tag_devices("7", ["1"])


def listed(*rows: Any, total: int | None = None) -> Reply:
    return reply({"Tags": list(rows), "Total": len(rows) if total is None else total})


A, ODD_ID = {"TagName": "A", "Id": {"Value": 1}}, {"TagName": "B", "Id": {"Value": None}}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (reply("", 204), ([], [], False)),
        (listed(A), ([("1", "A")], [], False)),
        (listed(A, A), ([("1", "A")], [], False)),
        (listed(A, {"TagName": "C", "Id": 1}), ([("1", "A"), ("1", "C")], [], False)),
        (listed(A, {"TagName": "A", "Id": 2}), ([("1", "A"), ("2", "A")], [], False)),
        (listed(A, ODD_ID), ([("1", "A")], [(None, "B")], False)),
        (listed(A, {"TagName": None, "Id": "7"}), ([("1", "A")], [("7", "")], False)),
        (listed(A, "x", {"TagName": ["y"], "Id": "z"}), ([("1", "A")], [(None, "")], False)),
        (listed(A, total=3), ([("1", "A")], [], True)),
    ],
)
def test_every_row_of_a_list_of_tags_is_accounted_for(
    wire: responses.RequestsMock, client: WorkspaceOne, said: Reply, found: Any
) -> None:
    serve(wire, "/API/mdm/tags/search", said)
    tags = client.tags("570")
    rows = [[(row.external_id, row.name) for row in rows] for rows in (tags.tags, tags.odd)]
    assert (*rows, tags.is_short) == found


@pytest.mark.parametrize(
    ("status", "error"), [(400, RequestRefused), (403, Forbidden), (422, RequestRefused)]
)
def test_a_refused_write_is_never_taken_for_devices_that_are_gone(
    wire: responses.RequestsMock, client: WorkspaceOne, status: int, error: type[Exception]
) -> None:
    answer(wire, ADD, reply({"errorCode": status, "message": "remote words"}, status))
    with pytest.raises(error) as raised:
        client.tag_devices("7", ["1"])
    assert "remote words" not in str(raised.value)


def test_a_write_that_failed_on_the_way_is_made_again(
    wire: responses.RequestsMock, client: WorkspaceOne, seconds: Seconds
) -> None:
    answer(wire, ADD, reply("{}", 503), counted(1))
    assert client.tag_devices("7", ["1"]) == BulkOutcome()
    assert seconds.slept == [1.0]


@pytest.mark.parametrize("devices", [[], [str(number) for number in range(501)]])
def test_a_call_takes_one_to_five_hundred_devices(client: WorkspaceOne, devices: list[str]) -> None:
    with pytest.raises(ValueError, match="500"):
        client.tag_devices("7", devices)


def tags_page(*names: str) -> Reply:
    rows = [{"TagName": name, "Id": {"Value": 100 + place}} for place, name in enumerate(names)]
    return reply({"Tags": rows, "Page": 0, "PageSize": 500, "Total": len(rows)})


@pytest.mark.parametrize("value", [{"Value": 10021}, {"Value": "10021"}, 10021])
def test_a_tag_is_made_once_and_its_id_read_in_any_form(
    wire: responses.RequestsMock, client: WorkspaceOne, value: Any
) -> None:
    answer(wire, "/API/mdm/tags/addtag", reply(value))
    assert client.create_tag("CHKP_Risk_High", "570") == Tag("10021", "CHKP_Risk_High", "570")
    assert json.loads(sent(wire, "addtag")[0].body or "") == {
        "TagAvatar": "CHKP_Risk_High", "TagName": "CHKP_Risk_High", "TagType": 1, "LocationGroupId": 570,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [{}, [], {"Value": None}, {"Value": 0}, {"Value": -1}, {"Value": "x"}, {"Value": "10 021"}, "", 1.5],
)
def test_an_answer_without_a_readable_id_made_nothing_we_know(
    wire: responses.RequestsMock, client: WorkspaceOne, value: Any
) -> None:
    answer(wire, "/API/mdm/tags/addtag", reply(value))
    serve(wire, "/API/mdm/tags/search", tags_page("B"))
    with pytest.raises(MalformedAnswer):
        client.create_tag("A", "570")
    assert len(sent(wire, "addtag")) == 1


@pytest.mark.parametrize("status", [400, 409])
def test_the_id_that_a_refusal_names_is_not_read(
    wire: responses.RequestsMock, client: WorkspaceOne, status: int
) -> None:
    body = {"Value": 10001, "errorCode": status, "message": "Tag with name A already exists, id 10001."}
    answer(wire, "/API/mdm/tags/addtag", reply(body, status))
    with pytest.raises(RequestRefused):
        client.create_tag("A", "570")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("CHKP_Risk_High", "CHKP_Risk_High"),
        ("Élevé 1.5-a", "Élevé 1.5-a"),
        ("[MTD] High", None),
        ("100%", None),
    ],
)
def test_a_search_by_name_leaves_out_a_name_with_wildcards(
    wire: responses.RequestsMock, client: WorkspaceOne, name: str, asked: str | None
) -> None:
    serve(wire, "/API/mdm/tags/search", tags_page(name, "Other"))
    assert [tag.name for tag in client.search_tags(name, "570").tags] == [name, "Other"]
    query = parse_qs(urlsplit(sent(wire, "search")[0].url or "").query)
    assert query.get("name", [None]) == [asked]
    assert query["organizationgroupid"] == ["570"]


@pytest.mark.parametrize(
    ("there", "found"), [(["A"], "100"), (["A", "A"], "101"), (["a", "B"], "100"), (["B"], None)]
)
def test_a_tag_whose_answer_was_lost_is_looked_for_and_never_made_twice(
    wire: responses.RequestsMock, client: WorkspaceOne, there: list[str], found: str | None
) -> None:
    answer(wire, "/API/mdm/tags/addtag", reply("", 503))
    serve(wire, "/API/mdm/tags/search", tags_page(*there))
    if found:
        assert client.create_tag("A", "570").external_id == found
    else:
        with pytest.raises(Exception, match="503"):
            client.create_tag("A", "570")
    assert len(sent(wire, "addtag")) == 1


def test_a_tag_that_was_not_made_for_lack_of_calls_is_tried_again(
    wire: responses.RequestsMock, client: WorkspaceOne
) -> None:
    answer(wire, "/API/mdm/tags/addtag", reply("", 429), reply({"Value": 1}))
    assert client.create_tag("A", "570").external_id == "1"


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        (
            reply({"Device": [{"DeviceId": 5, "FriendlyName": "kim"}, {"DeviceId": "6"}]}),
            Carriers(("5", "6")),
        ),
        (
            reply({"device": [{"deviceid": 5}, {"Id": {"Value": 7}}, {"DeviceId": None}, 8]}),
            Carriers(("5", "7"), 2),
        ),
        (reply({"Device": [{"DeviceId": 5}, {"DeviceId": "x"}]}), Carriers(("5",), 1)),
        (reply({"Device": [{"DeviceId": 5}], "Total": 3000}), Carriers(("5",), 2999)),
        (reply({"Device": []}), Carriers()),
        (reply("", 204), Carriers()),
    ],
)
def test_the_devices_of_a_tag_are_read_in_any_form(
    wire: responses.RequestsMock, client: WorkspaceOne, said: Reply, ids: Carriers
) -> None:
    serve(wire, "/API/mdm/tags/7/devices", said)
    assert client.tagged_devices("7") == ids


@pytest.fixture
def simulated() -> Iterator[RunningSimulator]:
    simulator = start(World(600, seed=3, quirks=False))
    yield simulator
    simulator.stop()


@pytest.fixture
def real(simulated: RunningSimulator) -> Iterator[WorkspaceOne]:
    mine = simulated.credentials
    sign_in = OAuth2(simulated.token_url, mine.client_id, mine.client_secret)
    connection = Connection(simulated.url, sign_in, simulated.ca_pem, LOOPBACK)
    made = WorkspaceOne(connection, times=TimeSource(sleep=lambda _: None))
    yield made
    made.close()


def test_the_simulated_uem_agrees(simulated: RunningSimulator, real: WorkspaceOne) -> None:
    tenant: Tenant = simulated.tenant
    group, devices = str(tenant.top), [str(one) for one in tenant.world.devices][:500]
    tag = real.create_tag("CHKP_Risk_High", group).external_id
    assert real.tag_devices(tag, [*devices[:499], "1"]) == BulkOutcome(frozenset({"1"}))
    assert sorted(real.tagged_devices(tag).ids) == sorted(devices[:499])
    assert real.untag_devices(tag, devices[:499]) == BulkOutcome()
    assert real.tagged_devices(tag) == Carriers()
    assert real.tag_devices("99", ["1"]).unclear == {"1": 404}
    with pytest.raises(NotFound):
        real.tagged_devices("99")
    assert tenant.meter.traps == 0


def test_an_answer_that_is_cut_off_makes_no_second_tag(
    simulated: RunningSimulator, real: WorkspaceOne
) -> None:
    simulated.tenant.switches.set("addtag_duplicate", "second_tag")
    simulated.tenant.faults.add("dropped", path="addtag", times=1)
    real.create_tag("CHKP_Risk_High", str(simulated.tenant.top))
    assert [tag.name for tag in simulated.tenant.world.tags.values()].count("CHKP_Risk_High") == 1
    simulated.tenant.switches.set("addtag_duplicate", "400")
    with pytest.raises(RequestRefused):
        real.create_tag("CHKP_Risk_High", str(simulated.tenant.top))


def test_the_error_of_a_lost_answer_is_told_when_the_tag_is_not_there(
    simulated: RunningSimulator, real: WorkspaceOne
) -> None:
    simulated.tenant.faults.add("server_error", path="addtag", times=1)
    with pytest.raises(Exception, match="503"):
        real.create_tag("CHKP_Risk_High", str(simulated.tenant.top))
