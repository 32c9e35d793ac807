"""The options of a model, for --help."""

import inspect
import textwrap
from collections.abc import Sequence
from itertools import pairwise

from unsup.core.errors import UsageError
from unsup.core.strict_yaml import as_plain
from unsup.runs.config import compose
from unsup.runs.lookup import config_names
from unsup.runs.options import LINKED
from unsup.runs.sources import class_from_source, documented_options
from unsup.training.plan import yaml_text

WIDTH = 100  # of the text
INDENT = 24  # of what is said of an option


def model_help(words: Sequence[str]) -> str:
    """Return the options of the model that a command line names, empty without one.

    With its values for the data set that is named, or else for MNIST, and with what they mean.
    """
    model = next((word for word in words if word in config_names("model")), None)
    if model is None:
        return ""
    data = next((after for word, after in pairwise(words) if word == "--data"), "mnist")
    try:
        config = compose(model, data)["model"]
    except UsageError as e:
        return f"options of {model}: {e}"
    cls, texts = class_from_source(config["class_path"]), documented_options(config["class_path"])
    parameters = inspect.signature(cls).parameters if cls else {}
    values = {name: p.default for name, p in parameters.items() if name not in LINKED} | config.get("init_args", {})
    lines = [f"options of {model}, with their values on {data}:"]
    for name, value in values.items():
        lines.append(f"  --model.{name} {yaml_text(as_plain(value))}")
        lines += textwrap.wrap(texts.get(name, ""), WIDTH, initial_indent=" " * INDENT, subsequent_indent=" " * INDENT)
    return "\n".join([*lines, "", "--print_config shows those of the data set and the trainer too"])
