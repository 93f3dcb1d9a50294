"""Which tags are needed, and whose those in the UEM are (rung: pure)."""

from __future__ import annotations

import pytest

from harmony.models.configuration import Tagging
from harmony.setup.tag_preview import Ours, Standing, TagPlace, judged
from harmony.uem.records import Tag

OFF = {"tag_status": False, "tag_risk": False, "tag_factors": False}


def there(*names: str) -> list[Tag]:
    return [Tag(str(number), name, "570") for number, name in enumerate(names, 1)]


def standings(tagging: Tagging, place: TagPlace, devices: dict[str, int] | None = None) -> dict[str, str]:
    return {tag.name: tag.standing for tag in judged(tagging, devices or {}, place).tags}


def test_only_what_is_switched_on_needs_tags() -> None:
    assert standings(Tagging(**OFF), TagPlace()) == {}
    risk = Tagging(**OFF | {"tag_risk": True, "tag_no_risk": True})
    assert list(standings(risk, TagPlace())) == [
        f"CHKP_Risk_{one}" for one in ("High", "Medium", "Low", "None")
    ]


def test_a_threat_factor_needs_its_tag_once_it_is_on_a_device() -> None:
    only = Tagging(**OFF | {"tag_factors": True})
    assert standings(only, TagPlace()) == {}
    assert standings(only, TagPlace(), {"factor:ROOTED": 3}) == {"CHKP_TF_ROOTED": Standing.MISSING}


@pytest.mark.parametrize("ours", ["1", "2"])
def test_of_two_tags_of_one_name_ours_counts_wherever_it_stands(ours: str) -> None:
    place = TagPlace(tags=there("CHKP_Risk_High", "CHKP_Risk_High"), ours=Ours(frozenset({ours})))
    assert standings(Tagging(), place)["CHKP_Risk_High"] == Standing.FOUND


def test_a_tag_is_ours_by_its_id_and_never_by_its_name_alone() -> None:
    place = TagPlace(tags=there("CHKP_Status_Active", "CHKP_Risk_High"), ours=Ours(frozenset("1")))
    found = standings(Tagging(), place)
    assert found["CHKP_Status_Active"] == Standing.FOUND
    assert found["CHKP_Risk_High"] == Standing.FOREIGN
    assert found["CHKP_Risk_Low"] == Standing.MISSING


def test_a_tag_we_were_about_to_make_is_ours_though_its_answer_was_lost() -> None:
    place = TagPlace(tags=there("CHKP_Risk_High"), ours=Ours(begun=frozenset({"CHKP_Risk_High"})))
    assert standings(Tagging(), place)["CHKP_Risk_High"] == Standing.FOUND


def test_an_adopted_name_may_be_used() -> None:
    place = TagPlace(tags=there("Mine"))
    tagging = Tagging(names={"risk:high": "Mine"}, adopted=("Mine",))
    [high] = [tag for tag in judged(tagging, {"risk:high": 7}, place).tags if tag.key == "risk:high"]
    assert (high.standing, high.adopted, high.devices) == (Standing.FOUND, True, 7)


def test_names_are_compared_as_a_whole() -> None:
    """The UEM's search matches parts of names."""
    place = TagPlace(tags=there("CHKP_Risk_High_old", "MY_CHKP_Risk_High"), ours=Ours(frozenset("12")))
    assert standings(Tagging(), place)["CHKP_Risk_High"] == Standing.MISSING


@pytest.mark.parametrize("name", ["chkp_risk_high", "CHKP_RISK_HIGH", "CHKP_risk_High "])
def test_a_tag_in_other_letters_is_there_for_the_uem_and_is_shown_as_it_writes_it(name: str) -> None:
    [high] = [tag for tag in judged(Tagging(), {}, TagPlace(tags=there(name))).tags if tag.key == "risk:high"]
    assert (high.standing, high.spelling, high.earlier) == (Standing.FOREIGN, name, False)
    mine = TagPlace(tags=there(name), ours=Ours(frozenset("1")))
    assert standings(Tagging(), mine)["CHKP_Risk_High"] == Standing.FOUND
    begun = TagPlace(tags=there(name), ours=Ours(begun=frozenset({"CHKP_Risk_High"})))
    assert standings(Tagging(), begun)["CHKP_Risk_High"] == Standing.FOUND
    adopted = Tagging(adopted=(name,))
    assert standings(adopted, TagPlace(tags=there(name)))["CHKP_Risk_High"] == Standing.FOUND


def test_what_harmony_made_earlier_is_known_by_its_id_together_with_its_name() -> None:
    earlier = Ours(earlier=frozenset({("1", "chkp_risk_high"), ("2", "another name")}))
    place = TagPlace(tags=there("CHKP_Risk_High", "CHKP_Risk_Low"), ours=earlier)
    found = {tag.key: tag for tag in judged(Tagging(), {}, place).tags}
    assert (found["risk:high"].standing, found["risk:high"].earlier) == (Standing.FOREIGN, True)
    assert (found["risk:low"].standing, found["risk:low"].earlier) == (Standing.FOREIGN, False)
