"""The variables that Kubernetes and container links set for a service whose name begins with `harmony`."""

from __future__ import annotations

import re

# `NAME_SERVICE_PORT_HTTP` has the port's name, `NAME_PORT_8000_TCP_ADDR` its number and protocol.
HOST = re.compile(r"\w+_SERVICE_HOST")
_NUMBER = re.compile(r"\w+_SERVICE_PORT(_\w+)?")
_ADDRESS = re.compile(r"\w+_PORT(_\d+_(TCP|UDP|SCTP))?")
PART = re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)")
URL = re.compile(r"(tcp|udp|sctp)://\S+:\d+", re.IGNORECASE)


def of_kubernetes(name: str, value: str) -> bool:
    """Tell whether a variable is one of those, by its name and by what such a one holds.

    >>> of_kubernetes("HARMONY_WEB_PORT", "tcp://10.0.0.7:80"), of_kubernetes("HARMONY_PORT", "8000")
    (True, False)
    """
    if _ADDRESS.fullmatch(name) and URL.fullmatch(value):
        return True
    if _NUMBER.fullmatch(name) and value.isascii() and value.isdigit():
        return True
    return bool(HOST.fullmatch(name) or PART.fullmatch(name))
