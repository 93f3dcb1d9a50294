"""Asks the dashboard of this container how it is; ends with 0 when it answers. Needs only Python."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException


def main() -> int:
    """Return 0 when `/healthz` answers 200 at the address of HARMONY_BIND."""
    host, _, port = os.environ.get("HARMONY_BIND", "127.0.0.1:8000").rpartition(":")
    host = host.strip("[]")
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    try:
        connection = HTTPConnection(own, int(port), timeout=4)
        connection.request("GET", "/healthz")
        return int(connection.getresponse().status != 200)
    except (OSError, ValueError, HTTPException) as error:
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
