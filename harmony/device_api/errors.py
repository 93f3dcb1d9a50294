"""PURE: errors of the device API: a status, a code for the app, a sentence for a person."""

from __future__ import annotations

# code: (status, sentence). A code never changes its meaning; an app may rely on it.
ERRORS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is not JSON in UTF-8."),
    "key_unknown": (401, "This device key is not valid, or not any more. Register again."),
    "token_unknown": (401, "This is not the token of this dashboard."),
    "token_replaced": (401, "This token of the dashboard was replaced by a new one."),
    "code_unknown": (401, "This registration code is not valid for this device."),
    "code_expired": (401, "This registration code has expired. Ask for a new one."),
    "code_used": (401, "This registration code was already used. Ask for a new one."),
    "code_void": (
        401,
        "This registration code was tried on other devices too often. Ask for a new one.",
    ),
    "device_unknown": (403, "This device is not known yet; it will be after the next device sync."),
    "integration_closed": (403, "The integration of this dashboard takes no registrations now."),
    "refused": (403, "This request came from a page of another site, so nothing was done."),
    "not_found": (404, "There is nothing at this address."),
    "not_allowed": (405, "This address does not answer this kind of request."),
    "already_registered": (
        409,
        "This device is already registered and active. It needs its old key, a registration code, or an "
        "administrator who resets its registration.",
    ),
    "platform_differs": (
        409,
        "The UEM lists this device with another platform than the one it registers with.",
    ),
    "profile_differs": (409, "This registration code is for another profile of this device."),
    "udid_shared": (
        409,
        "The UEM lists several devices with this UDID, so it does not say which one this is. Use a "
        "registration code.",
    ),
    "udid_not_unique": (
        409,
        "Another device has registered with this UDID. The app configuration gives several devices the same "
        "value.",
    ),
    "request_changed": (409, "A request with this request_id was made before, and it said something else."),
    "device_deleted": (410, "This device was deleted. It can register once the UEM lists it again."),
    "too_large": (
        413,
        "The body is larger than 64 KiB, or than 2 MiB for the report of a registered device.",
    ),
    "not_json": (415, "The body must be sent as application/json."),
    "udid_placeholder": (
        422,
        "`udid` identifies no device. The UEM did not replace the look-up value in the app configuration, or "
        "has no UDID for this device.",
    ),
    "invalid": (422, "A value is not valid."),
    "too_many": (429, "This was tried too often. Wait a moment, then try again."),
    "internal": (500, "Harmony ran into an internal error. Nothing was half saved."),
    "unavailable": (503, "The dashboard cannot do this now. Try again in a moment."),
}

# What the server itself refuses, before any of our code is asked.
_BY_STATUS = {403: "refused", 404: "not_found", 405: "not_allowed", 413: "too_large", 503: "unavailable"}


class ApiError(Exception):
    """An error of the device API; `retry_after` in seconds where waiting helps."""

    def __init__(self, code: str, message: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status, usual = ERRORS[code]
        self.message = message or usual
        self.retry_after = retry_after


def by_status(status: int) -> str:
    """Return the code for an HTTP status; for any other `malformed` or `internal`."""
    return _BY_STATUS.get(status, "internal" if status >= 500 else "malformed")
