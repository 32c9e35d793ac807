"""The checks of a release find what is planted, and nothing in this checkout."""

import pytest
import release

from unsup.core.version import __version__


def test_the_documents_agree_about_versions() -> None:
    assert not release.version_faults(*release.documents())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("unsup/core/version.py", __version__, "9.9.9"),
        ("CITATION.cff", f"version: {__version__}", "version: 9.9.9"),
        ("CITATION.cff", "date-released: ", "date-released: 1"),
        ("CHANGELOG.md", f"## [{__version__}]", "## [9.9.9] - 2030-01-01\n\n## [" + __version__ + "]"),
        ("docs/protocol/cite.md", f"version {__version__}", "version 9.9.9"),
        ("protocol", "final**", "draft 3**"),
    ],
)
def test_a_document_of_another_version_is_named(name: str, old: str, new: str) -> None:
    texts, protocol = release.documents()
    assert old in texts[name]
    (fault,) = release.version_faults(texts | {name: texts[name].replace(old, new, 1)}, protocol)
    assert ("protocol's document" if name == "protocol" else name) in fault


def test_a_file_that_is_missing_or_does_not_belong_is_named() -> None:
    package = {path.relative_to(release.TOP).as_posix() for path in (release.TOP / "unsup").rglob("*.py")}
    faults = release.missing_files(package - {"unsup/core/version.py"}, package)
    assert "the wheel has no unsup/core/version.py" in faults and "the sdist has no LICENSE" in faults
    assert release.foreign_files({"unsup/core/words.py", "setup.py"}, {"tests/tiny.py"}) == [
        "setup.py does not belong in a release",
        "tests/tiny.py does not belong in a release",
    ]
