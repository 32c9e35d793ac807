"""Self-contained HTML pages: one look, one skeleton, nothing loaded from elsewhere."""

from pathlib import Path
from typing import Any

from unsup.core.version import __version__

HERE = Path(__file__).parent


def render(template: str, **content: Any) -> str:
    """A page from a file of templates/, which extends `page.html.j2`; text in `content` is escaped.

    Args:
        template: name of the file.
        content: what the template uses, at least `title`; a name that it uses and does not get is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup((HERE / "page.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(style=style, version=__version__, **content)
