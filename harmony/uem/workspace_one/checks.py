"""The Workspace ONE checks: sign-in, version, and one reading call for each permission."""

from __future__ import annotations

from harmony.uem.connection import Connection, OAuth2
from harmony.uem.device_failures import is_of_device
from harmony.uem.errors import UemError
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.records import DevicePage, Group, SystemInfo
from harmony.uem.verify.checks import Check, Observation, warning
from harmony.uem.workspace_one import readers
from harmony.uem.workspace_one.client import WorkspaceOne
from harmony.uem.workspace_one.endpoints import Call

# Tokens and certificates are judged by both clocks; the UEM's own tolerance is not published.
_LARGEST_SKEW = 60.0
SIGN_IN, VERSION = "Sign-in", "API version"
ORGANIZATION_GROUPS, SMART_GROUPS = "Read organization groups", "Read smart groups"
DEVICES, APPS, TAGS, ASSIGN = "Read devices", "Read apps", "Read tags", "Assign tags"
CLOCK, QUOTA = "Clock", "Quota"
API_NAMES = (SIGN_IN, VERSION, ORGANIZATION_GROUPS, SMART_GROUPS, DEVICES, APPS, TAGS, ASSIGN, CLOCK, QUOTA)
# One device may answer 404, 403 or 500 about its apps for reasons of its own.
_DEVICES_TRIED = 3
_ONE = {"page": "0", "pagesize": "1"}


class WorkspaceOneChecks:
    """One try at using the API; every call reads a row, or three devices. Close it afterwards."""

    def __init__(self, connection: Connection, limits: CallLimits, times: TimeSource) -> None:
        self._client = WorkspaceOne(connection, 1, limits, times)
        self._oauth = isinstance(connection.sign_in, OAuth2)
        self._info: SystemInfo | None = None
        self._group: Group | None = None
        self._page: DevicePage | None = None

    def checks(self) -> list[Check]:
        """Return the checks in their order, named by API_NAMES."""
        actions = (
            self._sign_in,
            self._version,
            self._organization_groups,
            self._smart_groups,
            self._devices,
            self._apps,
            self._tags,
            self._assign,
            self._clock,
            self._quota,
        )
        return [Check(name, action) for name, action in zip(API_NAMES, actions, strict=True)]

    def close(self) -> None:
        """Forget the connections."""
        self._client.close()

    def _sign_in(self) -> Observation:
        if self._oauth:
            if self._client.authenticate():
                return Observation("The token service gave a token.")
            return Observation("The token that the token service gave before is still valid.")
        self._info = self._client.system_info()
        return Observation("The UEM accepts user name, password and API key.")

    def _version(self) -> Observation:
        info = self._info or self._client.system_info()
        return Observation(f"{info.product}, version {info.version}.")

    def _organization_groups(self) -> Observation:
        found = self._client.call(Call.GROUPS_SEARCH, readers.read_groups, _ONE)
        if not found:
            return warning("No organization group is visible.", "Give the account a role at a group.")
        self._group = found[0]
        return Observation("Organization groups can be read.")

    def _smart_groups(self) -> Observation:
        found = self._client.call(Call.SMART_GROUPS_SEARCH, readers.read_smart_groups, _ONE)
        return Observation(f"Smart groups can be read{'' if found else '; there are none'}.")

    def _devices(self) -> Observation:
        params = {"orderby": "deviceid", "sortorder": "ASC", **_ONE, "pagesize": str(_DEVICES_TRIED)}
        self._page = self._client.call(
            Call.DEVICES_SEARCH, lambda answer: readers.read_device_page(answer, 0), params
        )
        if self._page is None:
            return Observation("Devices can be read; the account sees none now.")
        total = self._page.total
        return Observation(
            f"Devices can be read; the account sees {total:,}." if total else "Devices can be read."
        )

    def _apps(self) -> Observation:
        devices = self._page.devices if self._page else ()
        ids = list(dict.fromkeys(device.external_id for device in devices))[:_DEVICES_TRIED]
        if not ids:
            return Observation("There is no device yet whose apps could be read.", tried=False)
        refused = self._refused_before_one_answers(ids)
        others = f"; those of the UEM ID {' and '.join(refused)} could not be read" if refused else ""
        return Observation(f"The apps of a device can be read{others}.")

    def _refused_before_one_answers(self, ids: list[str]) -> list[str]:
        """Ask for the apps of one device after the other until one is answered for; return those before it.

        Raises UemError: none is answered for, or what fails is no matter of a device.
        """
        for number, id_ in enumerate(ids[:-1]):
            try:
                self._client.call(Call.DEVICE_APPS, readers.read_nothing, _ONE, id_)
            except UemError as error:
                if not is_of_device(error):
                    raise
            else:
                return ids[:number]
        self._client.call(Call.DEVICE_APPS, readers.read_nothing, _ONE, ids[-1])
        return ids[:-1]

    def _tags(self) -> Observation:
        if self._group is None:
            return Observation("There is no group yet whose tags could be read.", tried=False)
        params = {"organizationgroupid": self._group.external_id, **_ONE}
        self._client.call(Call.TAGS_SEARCH, readers.read_tags, params)
        return Observation("Tags can be read.")

    def _assign(self) -> Observation:
        sentence = "Verify changes nothing in the UEM. The first push of tags shows whether it is allowed."
        return Observation(sentence, tried=False)

    def _clock(self) -> Observation:
        skew = self._client.clock_skew()
        if skew is None:
            return warning("The server does not tell its time.", "Compare the clocks by hand.")
        if abs(skew) > _LARGEST_SKEW:
            side = "ahead of" if skew > 0 else "behind"
            sentence = f"The clock of the server is {abs(skew):.0f} seconds {side} this machine's."
            return warning(sentence, "Set both clocks by the same time service (NTP).")
        return Observation("Both clocks agree within a minute.")

    def _quota(self) -> Observation:
        quota = self._client.quota()
        if quota is None:
            return Observation("The server does not say how many calls are left.", tried=False)
        reset = f", renewed {quota.reset_at:%Y-%m-%d %H:%M} UTC" if quota.reset_at else ""
        sentence = f"{quota.remaining:,} of {quota.limit:,} calls are left{reset}."
        if quota.remaining * 10 < quota.limit:
            return warning(sentence, "It is shared with your other integrations; see REST API > Usage.")
        return Observation(sentence)
