"""The methods paragraph says what this report did, and the entries cite what the repository cites."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from reports.test_html import Page
from reports.test_report import section
from sample_reports import comparable, report, typed, unlabelled

from unsup.models.base import Model
from unsup.reports.citation import methods_paragraph, software_entry
from unsup.reports.html import to_html
from unsup.reports.markdown import to_markdown

TOP = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (TOP / "unsup" / "models").glob("*.py") if 'bibtex = """' in path.read_text())


def paragraph(content: dict[str, Any]) -> str:
    return methods_paragraph(typed(content))


def test_the_paragraph_holds_the_facts_of_the_report() -> None:
    content = report()
    content["baselines"]["pca_chosen"] = {"code_dim": 64, "whitened": True, "thumbnail": [32, 32]}
    content["pretrained_on"] = {"images": ["these training images"], "supervision": ["none"]}
    content["draft"] = 2
    text = paragraph(content)
    for part in (
        "The model deep_ae (2,837,314 trained parameters, codes of 30 entries) was trained for 20 epochs on 55,000 "
        "images of mnist, without labels (seed 0).",
        "The settings of the recipe were chosen with the labels of validation images.",
        "scored by protocol 4, draft 2 of unsup 0.1.0 on 10,000 test images; 5,000 more images served for validation.",
        "C = 0.1 has the least cross-entropy on the validation images among half decades from 0.0001 to 10",
        "fitted on 1 and 10 labelled training images per class (20 draws, C fixed)",
        "kNN is the majority of the 20 nearest training codes by the cosine after the mean training code is subtracted",
        "untrained network (mean of 3 initialisations), PCA-30, chosen PCA-64 (dimension and scaling chosen on "
        "validation images, of thumbnails of 32 x 32 pixels) and raw pixels.",
        "95 % intervals that hold for all baselines together",
        "Software: unsup 0.1.0, python 3.11.7, torch 2.15.0.",
    ):
        assert part in text, part
    assert "weights" not in text and "corrupted" not in text and "k-means" not in text  # k is not in this report


def test_the_paragraph_says_what_differs() -> None:
    content = comparable()
    content["run"] |= {"epochs": 1, "views": "natural", "images": {"train": 900, "val": 999, "test": 500}}
    content["provenance"]["init_from"] = {"run": "mnist/simclr/0-001", "weights_sha256": "ab" * 32}
    content["provenance"]["config"]["data"] = {"init_args": {"missing": 0.3}}
    content["pretrained_on"] = {"images": ["these with test", "other"], "supervision": ["text"], "text": "CLIP"}
    content["scores"]["clusters"] = {"k": 12, "by": "silhouette"}
    text = paragraph(content)
    assert "was trained for 1 epoch on 900 images of mnist, with random views of the preset natural (seed" in text
    assert "It started from the weights of the run mnist/simclr/0-001." in text
    assert "Origin of its weights: images, these with test and other; supervision, text (CLIP)." in text
    assert "The training images were corrupted (0.3 of the pixels of each set to their mean)" in text
    assert "five-fold cross-validation on training and validation images" in text
    assert "k-means (k = 12, by the silhouette)" in text


def test_the_paragraph_leaves_out_what_was_not_done() -> None:
    content = unlabelled()
    content["baselines"], content["comparisons"] = {}, {}
    content["run"]["epochs"] = 0
    text = paragraph(content)
    assert "was judged on" in text and "took no gradient steps of its own" in text
    for absent in ("probe", "kNN", "Baselines", "epoch", "Differences"):
        assert absent not in text, absent


def test_the_section_ends_the_report(tmp_path: Path) -> None:
    content = report()
    content["run"] |= {"bibtex": "@misc{images}", "method_bibtex": "@misc{method}"}
    cited = section(to_markdown(typed(content)), "To cite this report")
    listing = "```bibtex\n@misc{images}\n\n@misc{method}\n\n@misc{unsup,\n  title = {{unsup}: unsupervised"
    assert cited.startswith("\nThe model deep_ae (") and listing in cited and "No entry" not in cited
    page = Page(to_html(typed(content), tmp_path))
    assert list(page.sections)[-1] == "To cite this report"
    assert "@misc{method}" in page.sections["To cite this report"]
    del content["run"]["bibtex"], content["run"]["method_bibtex"]
    cited = section(to_markdown(typed(content)), "To cite this report")
    assert "No entry is known of the data set and the method." in cited and "```bibtex\n@misc{unsup,\n" in cited


def test_the_software_is_cited_as_in_the_citation_file() -> None:
    stated = yaml.safe_load((TOP / "CITATION.cff").read_text())
    entry = software_entry(typed(report() | {"draft": 2}))
    assert stated["title"] == re.sub("[{}]", "", re.findall(r"title = {(.*)},\n", entry)[0])
    assert f"author = {{{{{stated['authors'][0]['name']}}}}}" in entry
    assert f"year = {{{stated['date-released'].year}}}" in entry
    assert f"version {stated['version']}; evaluation protocol 4, draft 2" in entry


def test_methods_have_entries() -> None:
    assert len(MODULES) == 19 and {"simclr", "vae", "patches"} <= set(MODULES)
    assert Model.bibtex == ""


@pytest.mark.parametrize("name", MODULES)
def test_an_entry_of_a_method_is_in_its_docstring(name: str) -> None:
    module = importlib.import_module(f"unsup.models.{name}")
    tree = ast.parse((TOP / "unsup" / "models" / f"{name}.py").read_text())
    classes = [getattr(module, node.name) for node in tree.body if isinstance(node, ast.ClassDef)]
    (cited,) = (one for one in classes if "bibtex" in vars(one))
    words = " ".join(cited.__doc__.split())
    entries = re.findall(
        r"@misc\{\w+,\n  title = \{\{(.+)\}\},\n  author = \{(.+)\}, year = \{(\d{4})\}"
        r"(?:,\n  eprint = \{(.+)\}, archivePrefix = \{arXiv\})?\n\}",
        cited.bibtex,
    )
    assert len(entries) == cited.bibtex.count("@misc") >= 1
    for title, authors, year, eprint in entries:
        assert f'{year}, "{title}"' in words and eprint in words
        for author in re.sub("[{}]", "", authors).split(" and "):
            assert (author if author != "others" else "et al.") in words
