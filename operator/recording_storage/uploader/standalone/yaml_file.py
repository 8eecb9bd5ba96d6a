"""Reading YAML without repeating any of it: what stands in the wrong place may well be a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_FILE = 1 << 20
"""Characters."""
MAX_DEPTH = 20
"""Mappings and lists in each other."""


class DocumentError(ValueError):
    """The file is not the YAML that is wanted; the words have names of keys in them, and never a value."""

    def __init__(self, words: str, *, line: int | None = None) -> None:
        super().__init__(words)
        self.line = line
        """Counted from 1; None where no line is to blame."""


def read_document(path: Path) -> dict[str, Any]:
    """The mapping that the file holds, of texts, numbers, true and false, null, lists and mappings.

    Raises:
        DocumentError: it can't be read, is no such YAML, or has a key twice.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_FILE + 1)
    except OSError as error:
        raise DocumentError(error.strerror or "can't be read") from None
    except ValueError:  # bytes that are no UTF-8, or a path that has a zero in it
        raise DocumentError("must be UTF-8") from None
    if len(text) > MAX_FILE:
        raise DocumentError("is longer than any configuration; is it the right file?")
    if odd := Reader.NON_PRINTABLE.search(text):
        raise DocumentError("a control character stands there; remove it", line=text.count("\n", 0, odd.start()) + 1)
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=LOADER)
        document = _Reading().value(root, "") if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(_words(error), line=mark.line + 1 if mark is not None else None) from None
    if not isinstance(document, dict):
        raise DocumentError("must hold a mapping with `destination:`")
    return document


def _check_depth(text: str) -> None:
    """What comes after this recurses, in C without looking at the stack's end."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise DocumentError("no configuration is nested as deep as that", line=_line(event))


def _words(error: yaml.YAMLError) -> str:
    """Ours: the parser's own quote the file."""
    if isinstance(error, yaml.composer.ComposerError):
        if str(error.problem).startswith("but found another document"):
            return "no YAML: a second document begins there; remove the `---`"
        return "no YAML: an alias (`*`) without its anchor, or an anchor twice; put a text that begins with * in quotes"
    return (
        "no YAML: put texts with special characters in quotes, close brackets and quotes, and indent with spaces alike"
    )


class _Reading:
    """One pass over the parsed file."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, path)
        if id(node) in self._seen:  # could also hold itself
            raise DocumentError(f"{_at(path)}an alias (`*`) of a mapping or a list; write it out", line=_line(node))
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            return [self.value(item, path) for item in node.value]
        raise DocumentError(_UNKNOWN_TAG.format(_at(path)), line=_line(node))

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError(f"{_at(path)}a key must be a text", line=_line(key_node))
            inside = f"{path}.{key_node.value}" if path else key_node.value
            if _SCALARS.get(key_node.tag) is not _text:
                raise DocumentError(f"{inside}: the key must be a text; put it in quotes", line=_line(key_node))
            key = _scalar(key_node, path)
            if key in values:
                raise DocumentError(f"{inside} is there twice; remove one", line=_line(key_node))
            values[key] = self.value(value_node, inside)
        return values


def _scalar(node: yaml.ScalarNode, path: str) -> Any:
    read = _SCALARS.get(node.tag)
    if read is None:
        raise DocumentError(_UNKNOWN_TAG.format(_at(path)), line=_line(node))
    try:
        return read(node)
    except Exception:  # noqa: BLE001 - the library's converters let through whatever Python's raise, with the value in it
        raise DocumentError(
            f"{_at(path)}a value that can't be read as what it looks like; put it in quotes", line=_line(node)
        ) from None


def _text(node: yaml.ScalarNode) -> str:
    node.value.encode()  # half a character, written as an escape, is no text
    return str(node.value)


def _line(at: yaml.Node | yaml.Event) -> int:
    assert at.start_mark is not None
    return at.start_mark.line + 1


def _at(path: str) -> str:
    return f"{path}: " if path else ""


_YAML = "tag:yaml.org,2002:"
_UNKNOWN_TAG = "{}a tag (`!`) that is not known here; put a text that begins with ! in quotes"
_CONSTRUCTOR = SafeConstructor()
_SCALARS: dict[str, Callable[[yaml.ScalarNode], Any]] = {
    f"{_YAML}str": _text,
    f"{_YAML}timestamp": _text,  # nothing here is a date
    f"{_YAML}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_YAML}float": _CONSTRUCTOR.construct_yaml_float,
    f"{_YAML}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_YAML}null": _CONSTRUCTOR.construct_yaml_null,
}
"""By tag; no other is read."""
