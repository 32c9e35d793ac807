"""YAML as configurations and options are written: plain values, every key once, no aliases, nothing deep or endless."""

import os
from pathlib import Path
from typing import Any

import yaml

DEEPEST = 20  # lists and dictionaries inside each other
LARGEST = 1 << 20  # characters


class InvalidYaml(ValueError):
    """Text that is no such YAML; the message says why."""


class Loader(yaml.SafeLoader):
    """PyYAML's safe one, which lets the last of two equal keys win and grows a short text of aliases without end."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise refusal(f"write out what *{event.anchor} stands for: aliases are not read", event)
        if self.depth > DEEPEST:
            raise refusal(f"more than {DEEPEST} lists or dictionaries inside each other", event)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise refusal(f"{key.value!r} is there twice: leave one of them", key)
                seen.add((key.tag, key.value))
        return dict(super().construct_mapping(node, deep))

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and not nameable(value):
            raise refusal(f"{value!r} holds a character that no text and no file name has", node)
        return value


def refusal(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def nameable(text: str) -> bool:
    """Whether a file can be called so."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def parse_yaml(text: str) -> Any:
    """What a text in YAML holds.

    Raises:
        InvalidYaml: it is none, or more than a configuration needs.
    """
    if len(text) > LARGEST:
        raise InvalidYaml(f"it is longer than {LARGEST:,} characters")
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as e:
        line = f"line {e.problem_mark.line + 1} " if e.problem_mark else ""
        raise InvalidYaml(f"{line}{e.problem}") from e
    except yaml.YAMLError as e:
        raise InvalidYaml("not text") from e
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as e:  # 2001-99-99, !!int x, !!bool x
        raise InvalidYaml("a number, a date or a tag (!!…) that is none") from e


def read_yaml(path: Path) -> Any:
    """What a file in YAML holds.

    Raises:
        OSError: it cannot be read.
        InvalidYaml: as in `parse_yaml`, or it is not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(4 * LARGEST + 1)  # no more of an endless one
    try:
        return parse_yaml(content.decode())
    except UnicodeDecodeError as e:
        raise InvalidYaml("not text") from e


def dump_yaml(config: dict[str, Any]) -> str:
    """The configuration as YAML that --config reads again."""
    return yaml.safe_dump(as_plain(config), sort_keys=False, default_flow_style=None, width=100)


def as_plain(value: Any) -> Any:
    """Tuples as lists: what YAML and JSON hold."""
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return [as_plain(item) for item in value] if isinstance(value, list | tuple) else value
