"""The lists that are filtered in the browser take the same for alike as the server does (rung B)."""

from __future__ import annotations

import pytest

from harmony.folding import fold
from tests.browser.visitor import Visitor
from tests.test_folding import ALIKE

pytestmark = pytest.mark.browser

OTHERS = [
    "\u304c \u30ac", "\ud55c\uad6d\uc5b4", "\u0e01\u0e33", "12.9\u2033", "\u00c6r\u00f8", "\u1fbc",
    "\U0001f600 \ufe0f", "\u0649\u064b",
]  # fmt: skip


def test_browser_and_server_fold_alike(signed_in: Visitor) -> None:
    signed_in.go("/integrations")
    texts = [text for pair in ALIKE for text in pair] + OTHERS
    assert signed_in.page.evaluate("texts => texts.map(fold)", texts) == [fold(text) for text in texts]
