"""`python -m tests.bench.one_preview FOLDER`: one preview here, timed without start and imports."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from harmony.clock import monotonic
from tests.bench.dashboard import INTEGRATION, opened
from tests.bench.process import say

MODULE = "harmony.sync.preview"


def is_there() -> bool:
    """Whether this version of the engine has a preview."""
    return find_spec(MODULE) is not None


def main(arguments: list[str]) -> int:
    """Ask what a sync would do now, and say how long the answer took. An incomplete look is no answer."""
    preview = import_module(MODULE).preview
    with opened(Path(arguments[0])):
        # As the web process does, which makes previews (ops/web_server.py).
        gc.collect()
        gc.freeze()
        began = monotonic()
        found = preview(INTEGRATION)
        seconds = monotonic() - began
    if found.doubt:
        raise RuntimeError(f"the measured preview was not complete: {found.doubt}")
    say(seconds, unchanged=found.unchanged)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
