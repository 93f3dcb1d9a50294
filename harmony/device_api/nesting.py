"""PURE: cuts JSON down to the depth that a body has, where a parser gives up on what is nested deeper."""

from __future__ import annotations

import re

# A body is an object, its lists hold objects, and these hold texts: deeper down nothing is read.
_DEEPEST = 8

# Always a match, also for a string without its end: nothing is ever looked at twice.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


def shallow(text: str, deepest: int = _DEEPEST) -> str:
    """Return the JSON text with every list and object below `deepest` levels emptied.

    Only brackets and strings are looked at: what is kept may be no JSON, and is judged by the parser.

    >>> shallow('{"a": [1, [2, {"b": "]"}]], "c": 3}', deepest=2)
    '{"a": [1, []], "c": 3}'
    """
    kept, start, depth = [], 0, 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in {"[", "{"}:
            depth += 1
            if depth == deepest + 1:
                kept.append(text[start : token.end()])
        elif token[0] in {"]", "}"}:
            if depth == deepest + 1:
                start = token.start()
            depth -= 1
    return "".join(kept) + (text[start:] if depth <= deepest else "")
