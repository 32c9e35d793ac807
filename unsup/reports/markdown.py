"""A report as Markdown, made from the content of report.json alone."""

from unsup.reports.blocks import Block, Folded, Items, Note, Picture, Section, Table
from unsup.reports.format import markdown_table
from unsup.reports.schema import Report
from unsup.reports.sections import sections
from unsup.reports.sections_origin import checks
from unsup.reports.verdict import verdict


def to_markdown(report: Report) -> str:
    """Return the text of report.md."""
    parts = [f"# {report.heading}", verdict(report), " ".join(checks(report))]
    return "\n\n".join([*parts, *(_section(section) for section in sections(report))]) + "\n"


def _section(section: Section) -> str:
    titled = sum(isinstance(block, Table) for block in section.blocks) > 1
    return "\n\n".join([f"## {section.title}", *(_block(block, titled) for block in section.blocks)])


def _block(block: Block, titled: bool) -> str:
    match block:
        case Note(text):
            return text
        case Table(title, rows, texts):
            return (f"**{title}**\n\n" if titled else "") + markdown_table(rows, texts)
        case Picture(path, alt):
            return f"![{alt}]({path})"
        case Items(pairs):
            return "\n".join(f"- {name}: {text}" for name, text in pairs)
        case Folded(title, text, language):
            return f"<details><summary>{title}</summary>\n\n```{language}\n{text}\n```\n\n</details>"
