"""Who gets in, how versions are negotiated, and what every answer's headers tell (facts 1, 2)."""

from __future__ import annotations

import base64

import pytest

from tests.simulator.caller import Caller

INFO = "/API/system/info"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_bearer_needs_no_tenant_code(uem: Caller) -> None:
    info = uem.get(INFO).json()
    assert info["ProductName"] == "AirWatch Platform Service"


def test_the_client_may_come_as_basic(uem: Caller) -> None:
    mine = uem.credentials
    header = basic(mine.client_id, mine.client_secret)
    answer = uem.send("POST", "/connect/token", b"grant_type=client_credentials", authorization=header)
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 3600)


@pytest.mark.parametrize(
    ("place", "header", "body"), [("either", 200, 200), ("header", 200, 400), ("body", 400, 200)]
)
def test_a_token_service_reads_the_client_where_it_is_switched_to(
    uem: Caller, place: str, header: int, body: int
) -> None:
    uem.control("switches", token_client=place)
    mine, grant = uem.credentials, "grant_type=client_credentials"
    as_basic = basic(mine.client_id, mine.client_secret)
    assert uem.send("POST", "/connect/token", grant.encode(), authorization=as_basic).status == header
    form = f"{grant}&client_id={mine.client_id}&client_secret={mine.client_secret}"
    assert uem.send("POST", "/connect/token", form.encode()).status == body


def test_every_answer_but_the_control_page_asks_for_tls(uem: Caller) -> None:
    answers = [uem.get(INFO), uem.get("/API/mdm/devices/search?page=99"), uem.get("/nothing")]
    answers += [uem.get(INFO, accept="text/csv"), uem.send("POST", "/connect/token")]
    assert [answer.status for answer in answers] == [200, 204, 404, 406, 400]
    assert {answer.headers["strict-transport-security"] for answer in answers} == {
        "max-age=31536000; includeSubDomains"
    }
    assert "strict-transport-security" not in uem.send("GET", "/control/state").headers


def test_a_bad_client_and_a_bad_grant_are_400(uem: Caller) -> None:
    answer = uem.send("POST", "/connect/token", b"grant_type=client_credentials&client_id=x&client_secret=y")
    assert (answer.status, answer.json()) == (400, {"error": "invalid_client"})
    header = basic(uem.credentials.client_id, uem.credentials.client_secret)
    answer = uem.send("POST", "/connect/token", b"grant_type=password", authorization=header)
    assert answer.json() == {"error": "unsupported_grant_type"}


def test_the_token_path_has_no_trailing_slash(uem: Caller) -> None:
    assert uem.send("POST", "/connect/token/").status == 404


def test_basic_needs_the_tenant_code(uem: Caller) -> None:
    mine = uem.credentials
    header = basic(mine.username, mine.password)
    assert uem.get(INFO, authorization=header).json()["errorCode"] == 1005
    answer = uem.get(INFO, authorization=header, aw_tenant_code="wrong")
    assert (answer.status, answer.json()["errorCode"]) == (403, 1013)
    assert uem.get(INFO, authorization=header, aw_tenant_code=mine.api_key).status == 200


def test_a_bad_password_names_the_user(uem: Caller) -> None:
    answer = uem.get(INFO, authorization=basic("kim", "x"), aw_tenant_code=uem.credentials.api_key)
    assert (answer.status, answer.json()["errorCode"]) == (401, 1005)
    assert answer.json()["message"].endswith("user not found : kim")


def test_an_empty_user_breaks_the_server(uem: Caller) -> None:
    assert uem.get(INFO, authorization=basic("", "x")).status == 500


def test_repeated_bad_passwords_lock_the_account_when_switched(uem: Caller) -> None:
    uem.control("switches", lock_after=2)
    codes = [uem.get(INFO, authorization=basic("kim", "x")).json()["errorCode"] for _ in range(3)]
    assert codes == [1005, 1005, 1022]


def test_expired_tokens_are_401_with_or_without_a_body(uem: Caller) -> None:
    uem.control("access", expire_tokens=True)
    assert uem.get(INFO).json()["errorCode"] == 401
    uem.control("switches", expired_bearer_body="empty")
    answer = uem.get(INFO)
    assert (answer.status, answer.body) == (401, b"")
    uem.sign_in()
    assert uem.get(INFO).status == 200


def test_a_token_lives_as_long_as_it_says(uem: Caller) -> None:
    uem.control("switches", token_lifetime=0)
    uem.sign_in()
    assert uem.get(INFO).status == 401


def test_revoked_credentials_get_no_token_until_they_are_given_back(uem: Caller) -> None:
    uem.control("access", revoked=True)
    assert uem.get(INFO).status == 401
    mine = uem.credentials
    header = basic(mine.client_id, mine.client_secret)
    grant = b"grant_type=client_credentials"
    assert uem.send("POST", "/connect/token", grant, authorization=header).status == 400
    uem.control("access", revoked=False)
    assert uem.send("POST", "/connect/token", grant, authorization=header).status == 200


def test_a_lacking_permission_is_403_or_401(uem: Caller) -> None:
    uem.control("access", denied=["tags_write", "groups"])
    assert uem.get("/API/system/groups/search").status == 403
    assert uem.get("/API/mdm/tags/search?organizationgroupid=570").status == 200
    uem.control("switches", permission_lack="401")
    assert uem.get("/API/system/groups/search").status == 401
    uem.control("access", denied=[])
    assert uem.get("/API/system/groups/search").status == 200


def test_a_wrong_tenant_code_beside_a_bearer_is_ignored_or_checked(uem: Caller) -> None:
    assert uem.get(INFO, aw_tenant_code="wrong").status == 200
    uem.control("switches", tenant_code_with_bearer="check")
    assert uem.get(INFO, aw_tenant_code="wrong").status == 403


@pytest.mark.parametrize("path", ["/API/System/Info", "/api/system/info"])
def test_paths_are_not_case_sensitive(uem: Caller, path: str) -> None:
    assert uem.get(path).status == 200


@pytest.mark.parametrize(("asked", "served"), [(None, "v1"), (1, "v1"), (2, "v2"), (9, "v3")])
def test_a_version_that_is_lacking_falls_back(uem: Caller, asked: int | None, served: str) -> None:
    answer = uem.get("/API/mdm/devices/search", version=asked)
    assert answer.headers["x-api-version"] == served
    assert answer.headers["api-supported-versions"] == "1, 2, 3"


def test_a_media_type_it_does_not_speak_is_406(uem: Caller) -> None:
    assert uem.get(INFO, accept="text/csv").status == 406


def test_an_unknown_route_is_an_html_page(uem: Caller) -> None:
    answer = uem.get("/API/mdm/nothing/here")
    assert (answer.status, answer.content_type) == (404, "text/html; charset=utf-8")


def test_every_call_lowers_what_remains_of_the_quota(uem: Caller) -> None:
    paths = [INFO, "/API/mdm/devices/search?page=99", "/API/mdm/nothing"]
    heads = [uem.get(path).headers for path in paths]
    assert [head["x-ratelimit-remaining"] for head in heads] == ["249999", "249998", "249997"]
    assert len({head["x-ratelimit-reset"] for head in heads}) == 1
    assert len({head["x-correlation-id"] for head in heads}) == 3


def test_an_exhausted_quota_is_429_with_or_without_retry_after(uem: Caller) -> None:
    uem.control("quota", remaining=1)
    assert uem.get(INFO).status == 200
    answer = uem.get(INFO)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    uem.control("switches", retry_after="")
    assert "retry-after" not in uem.get(INFO).headers


def test_the_quota_is_whole_again_after_its_reset(uem: Caller) -> None:
    uem.control("quota", remaining=0, reset_in=0)
    assert uem.get(INFO).headers["x-ratelimit-remaining"] == "249999"
