"""Reads the YAML of a configuration file into plain data, with the line of every value."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from harmony.ops.configuration_file.problems import FileProblem, FileRefused

_LONGEST = 1024 * 1024
_DEEPEST = 20


def read(text: str) -> tuple[Any, dict[str, int]]:
    """Return the data and the line of each path in it. Raises FileRefused."""
    if len(text) > _LONGEST:
        raise FileRefused([FileProblem("", "The file is larger than 1 MiB.")])
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise FileRefused([FileProblem("", _not_yaml(error))]) from None
    except RecursionError:
        raise FileRefused([FileProblem("", "The values are nested too deeply.")]) from None
    reader = _Reader()
    data = reader.value(root, "", 0) if root is not None else {}
    return data, reader.lines


def _not_yaml(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    where = f"Line {mark.line + 1}: " if mark else ""
    return f"{where}this is not YAML ({problem})."


class _Reader:
    """Turns nodes into data: YAML's own loader takes the last of two equal keys, and knows no lines."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._seen: set[int] = set()
        self._scalars = SafeConstructor()

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if id(node) in self._seen:
            raise self._refused(path, "anchors and aliases (& and *) are not used in this file.")
        if depth > _DEEPEST:
            raise self._refused(path, "the values are nested too deeply.")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            places = enumerate(node.value)
            return [self.value(item, f"{path}[{place}]", depth + 1) for place, item in places]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refused(path, "a key must be a text.")
            inside = f"{path}.{key.value}" if path else key.value
            if key.value in found:
                self.lines[inside] = key.start_mark.line + 1
                raise self._refused(inside, "this key stands here twice.")
            found[key.value] = self.value(item, inside, depth + 1)
            self.lines[inside] = key.start_mark.line + 1
        return found

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise self._refused(path, "this value cannot be read; put it between quotation marks.") from None

    def _refused(self, path: str, sentence: str) -> FileRefused:
        return FileRefused([FileProblem(path, sentence)], self.lines)
