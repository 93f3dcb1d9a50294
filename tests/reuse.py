"""Work that each new application would repeat: templates, routes and statements are compiled once.

Most tests make an application of their own, and these three took most of the time that it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import CodeType
from typing import Any, ClassVar

from flask import Flask
from flask.sansio.blueprints import BlueprintSetupState
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Map, Rule, RuleFactory
from werkzeug.routing.matcher import StateMachineMatcher

Build = Callable[..., tuple[str, str]]
Routes = tuple[StateMachineMatcher, dict[Any, list[Rule]]]
_compile_builder = Rule._compile_builder
_add_url_rule = BlueprintSetupState.add_url_rule
_numbers: dict[Hashable, int] = {}
_added: dict[Hashable, list[Rule]] = {}


class CompiledTemplates(BytecodeCache):
    """The code of every template that any application of this process has shown, by name and content."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


class SharedMap(Map):
    """Routes that are put together at the first look; applications with the same ones share them."""

    known: ClassVar[dict[tuple[Hashable, ...], Routes]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        self.unbound: list[Rule] = []
        super().__init__(*args, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        self.unbound += rulefactory.get_rules(self)
        self._remap = True

    def add_all(self, rules: list[Rule]) -> None:
        self.unbound += rules
        self._remap = True

    def update(self) -> None:
        with self._remap_lock:
            if self._remap:
                routes = tuple(map(_number, self.unbound)), tuple(sorted(self.converters.items()))
                if routes not in self.known:
                    self.known[routes] = self._put_together()
                self._matcher, self._rules_by_endpoint = self.known[routes]
                self._remap = False

    def _put_together(self) -> Routes:
        whole = Map(converters=self.converters, host_matching=self.host_matching)
        for rule in self.unbound:
            whole.add(copied := rule.empty())
            copied.provide_automatic_options = rule.provide_automatic_options  # type: ignore[attr-defined]
        whole.update()
        return whole._matcher, whole._rules_by_endpoint


def _number(rule: Rule) -> int:
    """Return the number of this route, the same for each rule that is like it."""
    number: int | None = vars(rule).get("number")
    if number is None:
        number = _numbers.setdefault(_route(rule), len(_numbers))
        rule.number = number  # type: ignore[attr-defined]
    return number


def _route(rule: Rule) -> Hashable:
    kept = rule.subdomain, rule.host, rule.build_only, rule.alias, rule.strict_slashes, rule.redirect_to
    automatic = rule.provide_automatic_options  # type: ignore[attr-defined]
    return rule.rule, rule.endpoint, frozenset(rule.methods or ()), automatic, kept, repr(rule.defaults)


def share_what_is_the_same() -> None:
    """Make every application of this process reuse what another has made already."""
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}
    Flask.url_map_class = SharedMap
    Rule._compile_builder = _when_first_used  # type: ignore[method-assign]
    BlueprintSetupState.add_url_rule = _add_known_rules  # type: ignore[method-assign]
    _share_compiled_statements()


def _add_known_rules(
    state: BlueprintSetupState, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any
) -> None:
    """Add the rules that the same blueprint made for another application: a map only copies them."""
    place = state.url_prefix, state.subdomain, state.name_prefix, state.name, str(state.url_defaults)
    key = *place, rule, endpoint, view_func, str(sorted(options.items()))
    routes, views = state.app.url_map, state.app.view_functions
    assert isinstance(routes, SharedMap)
    if known := _added.get(key):
        routes.add_all(known)
        views |= {added.endpoint: view_func for added in known}
        return
    before = len(routes.unbound)
    _add_url_rule(state, rule, endpoint, view_func, **options)
    added = routes.unbound[before:]
    if all(views[new.endpoint] is view_func for new in added):
        _added[key] = added


def _when_first_used(rule: Rule, append_unknown: bool = True) -> Build:
    """Of two hundred builders a test uses a few; werkzeug compiles all of them when a route is added."""
    compiled: list[Build] = []

    def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
        if not compiled:
            compiled.append(_compile_builder(rule, append_unknown))
        return compiled[0](rule, **values)

    return build


def _share_compiled_statements() -> None:
    """Let a statement be compiled once for each kind of database, not for each engine.

    The key of a compiled statement begins with the dialect, which is another object in each engine.
    """
    compiled: LRUCache[Any, Any] = LRUCache(5000)
    Engine._compiled_cache = property(lambda engine: compiled, lambda engine, own: None)
    DefaultDialect.__eq__ = lambda dialect, other: type(dialect) is type(other)  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign]
