"""Work that each new application would repeat: templates, routes and statements are compiled once.

Most tests make an application of their own, and these three took most of the time that it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import BaseConverter, Rule
from werkzeug.routing.rules import RulePart

Build = Callable[..., tuple[str, str]]
Converters = dict[str, BaseConverter]
Parsed = tuple[list[RulePart], list[tuple[bool, str]], Converters]
_compile_builder, _parse_rule = Rule._compile_builder, Rule._parse_rule
_parsed: dict[str, Parsed] = {}


class CompiledTemplates(BytecodeCache):
    """The code of every template that any application of this process has shown, by name and content."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


def share_what_is_the_same() -> None:
    """Make every application of this process reuse what another has made already."""
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}
    Rule._compile_builder = _when_first_used  # type: ignore[method-assign]
    Rule._parse_rule = _parsed_once  # type: ignore[method-assign]
    _share_compiled_statements()


def _when_first_used(rule: Rule, append_unknown: bool = True) -> Build:
    """Of two hundred builders a test uses a few; werkzeug compiles all of them when a route is added."""
    compiled: list[Build] = []

    def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
        if not compiled:
            compiled.append(_compile_builder(rule, append_unknown))
        return compiled[0](rule, **values)

    return build


def _parsed_once(rule: Rule, text: str) -> Iterable[RulePart]:
    """Return the parts of a route, and note what parsing notes; no application has converters of its own."""
    if text not in _parsed:
        parts = list(_parse_rule(rule, text))
        _parsed[text] = parts, [entry for entry in rule._trace if entry != (False, "|")], rule._converters
        return parts
    parts, trace, converters = _parsed[text]
    rule._trace += trace
    rule._converters |= converters
    rule.arguments |= converters.keys()
    return parts


def _share_compiled_statements() -> None:
    """Let a statement be compiled once for each kind of database, not for each engine.

    The key of a compiled statement begins with the dialect, which is another object in each engine.
    """
    compiled: LRUCache[Any, Any] = LRUCache(5000)
    Engine._compiled_cache = property(lambda engine: compiled, lambda engine, own: None)
    DefaultDialect.__eq__ = lambda dialect, other: type(dialect) is type(other)  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign]
