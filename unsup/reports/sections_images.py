"""Section on faults of the images that an audit found."""

from unsup.reports.blocks import Block, Note
from unsup.reports.schema import Report
from unsup.reports.sections_copies import copied_test_images


def about_these_images(report: Report) -> list[Block]:
    """Return the findings, or that there are none, where an audit was made."""
    if report.findings is None:
        return []
    if not report.findings:
        of_labels = ", no doubtful labels and no shortcuts" if report.scores.linear_probe else ""
        return [Note(f"Nothing that needs a look: no odd files, no near-duplicates{of_labels}.")]
    texts = [f"**{text}.**" for text in report.findings]
    return [*map(Note, texts), Note("An audit of the data set names each of these images.")]


def findings_line(report: Report) -> str:
    """Return copies of test images and other findings on one line, if any."""
    return "; ".join(filter(None, [copied_test_images(report), *(report.findings or ())]))
