"""The tags that devices should carry: the database and the pure rule say the same (rung: shell)."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest

from harmony.db import bulk, db
from harmony.models.configuration import Tagging
from harmony.tagging.desired_state import Desire, DeviceRange
from harmony.tagging.names import device_keys
from tests.tagging.fleet import a_fleet, device_of, protect, standings

pytestmark = pytest.mark.usefixtures("context")

EVERY = DeviceRange("{id} > ?", (0,))
SWITCHES = list(product((True, False), repeat=4))


def test_the_database_wants_the_tags_of_the_pure_rule_whatever_is_switched_on() -> None:
    id_ = a_fleet(5)
    protect(id_, 2, "active", 3, "ROOTED", "HACKING_TOOL")
    protect(id_, 3, "inactive", 0, "DEBUG_CERTIFICATE")
    protect(id_, 4, "active", 1)
    for status, risk, factors, no_risk in SWITCHES:
        tagging = Tagging(tag_status=status, tag_risk=risk, tag_factors=factors, tag_no_risk=no_risk)
        sql, values = Desire(id_, tagging).wanted(EVERY)
        found: defaultdict[int, set[str]] = defaultdict(set)
        for device_id, _external_id, key in bulk.fetch_all(db.session(), sql, values) if sql else ():
            found[device_id].add(key)
        wanted = {
            device_of(id_, device): device_keys(device_status, device_risk, codes, tagging)
            for device, device_status, device_risk, codes in standings(id_)
        }
        assert found == {device: keys for device, keys in wanted.items() if keys}, tagging
