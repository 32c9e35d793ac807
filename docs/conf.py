"""The configuration of Sphinx, and the pages that it reads: `make docs`."""

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate

import unsup.testing  # noqa: F401  (once, before Sphinx starts processes)
from unsup.core.version import __version__

BUILD = HERE.parent / "build" / "docs"

with contextlib.chdir(HERE.parent):  # its recipes are the shipped ones
    generate.write(generate.manual(), BUILD / "source")

project = "unsup"
version = release = __version__
author = "the unsup authors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
smartquotes_action = "D"  # dashes alone
pygments_style = "tango"

myst_heading_anchors = 4  # those that a forge makes

nb_execution_mode = "off"
nb_execution_cache_path = str(BUILD / "executed")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"unsup {release}"
html_static_path = [str(HERE / "manual.css")]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sphinx = False

linkcheck_timeout = 20
linkcheck_retries = 2


def as_rst(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring of plain text into reStructuredText: code in backquotes, no other markup but lists."""
    result: list[str] = []
    in_list = False
    for line in lines:
        item = bool(re.match(r"\s*\* ", line))
        if item and not in_list and result and result[-1]:
            result.append("")  # a list begins after an empty line
        in_list = item or (in_list and bool(line))
        result.append(_escaped(line))
    lines[:] = result


def without_ranges(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> Any:
    """Leave the ranges of options out of a signature, as its types are long enough."""
    if signature is None:  # of an attribute
        return None
    typed = r"~typing\.Annotated\[((?:[^\[\]]|\[[^\[\]]*\])*?), ~unsup\.core\.ranges\.Range\([^()]*\)\]"
    return re.sub(typed, r"\1", signature), returns


def _escaped(line: str) -> str:
    if re.match(r"\s*>>>", line):
        return line
    bullet, text = re.fullmatch(r"(\s*(?:\* )?)(.*)", line).groups()  # type: ignore[union-attr]
    pieces = re.split(r"`([^`]+)`", text)  # plain text and code in turn
    pieces[::2] = [re.sub(r"([\\|*`]|_(?!\w))", r"\\\1", plain) for plain in pieces[::2]]
    for i in range(1, len(pieces), 2):
        pieces[i] = f"``{pieces[i]}``" + ("\\ " if pieces[i + 1][:1].isalnum() else "")
    return bullet + "".join(pieces)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", without_ranges)
    app.connect("autodoc-process-docstring", as_rst, priority=100)  # before napoleon
