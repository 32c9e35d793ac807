"""Self-contained HTML pages with one style and one skeleton."""

from pathlib import Path
from typing import Any

from unsup.core.version import __version__

HERE = Path(__file__).parent


def render(template: str, **content: Any) -> str:
    """Return a page made from a template that extends `page.html.j2`.

    Args:
        template: name of a file in templates/.
        content: variables of the template, at least `title`; text is escaped, and a missing variable is an error.
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
