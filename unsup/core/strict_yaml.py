"""YAML in which no key may be written twice."""

from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which by itself keeps the last of two equal keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in keys:
                problem = f"{key.value!r} is there twice: leave one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.add(name)
        return dict(super().construct_mapping(node, deep))


def parse_yaml(text: str) -> Any:
    """Return the content of a text in YAML.

    Raises:
        ValueError: the text is not YAML, or has a key twice.
    """
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as e:
        line = f"line {e.problem_mark.line + 1} " if e.problem_mark else ""
        raise ValueError(f"{line}{e.problem}") from e
    except yaml.YAMLError as e:
        raise ValueError("not text") from e


def dump_yaml(config: dict[str, Any]) -> str:
    """Return a configuration as YAML that `--config` can read."""
    return yaml.safe_dump(as_plain(config), sort_keys=False, default_flow_style=None, width=100)


def as_plain(value: Any) -> Any:
    """Replace tuples by lists, which YAML and JSON can hold."""
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return [as_plain(item) for item in value] if isinstance(value, list | tuple) else value
