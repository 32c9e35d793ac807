"""What a recipe's header states is found for the run that was configured by it."""

from pathlib import Path

import pytest

import unsup.runs.lookup
from unsup.runs.config import compose
from unsup.runs.recipes import NOT_STATED, header, header_field, how_chosen

RECIPE = "# A method\n#\n# chosen: {}\nmodel:\n  class_path: unsup.models.m.M # chosen: no header\n"


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("model", "data"):
        (tmp_path / kind).mkdir()
    (tmp_path / "base.yaml").write_text("")
    for data in ("mnist", "folder"):
        (tmp_path / "data" / f"{data}.yaml").write_text(f"data: {{class_path: unsup.data.{data}.D}}")
    (tmp_path / "model" / "m.yaml").write_text(RECIPE.format("label-free"))
    (tmp_path / "model" / "m@folder.yaml").write_text("# chosen: validation\n")
    monkeypatch.setattr(unsup.runs.lookup, "SHIPPED", tmp_path)
    monkeypatch.chdir(tmp_path)  # where no recipe is
    return tmp_path


def test_a_header_ends_where_the_recipe_begins(configs: Path) -> None:
    path = configs / "model" / "m.yaml"
    assert header(path) == ["A method", "", "chosen: label-free"]
    assert header_field(path, "chosen") == "label-free" and header_field(path, "minutes") is None


def test_what_a_data_set_needs_of_its_own_was_chosen_its_own_way(configs: Path) -> None:
    assert how_chosen(compose("m", "mnist")) == "label-free"
    config = compose("m", "folder", options=[("data.images", "some/cats-2")])
    assert config["dataset"] == "folder-cats-2" and how_chosen(config) == "validation"
    (configs / "model" / "m@folder.yaml").write_text("# says nothing\n")
    assert how_chosen(config) == "label-free"


def test_what_no_recipe_states_is_not_made_up(configs: Path) -> None:
    (configs / "model" / "m.yaml").write_text("model: {class_path: unsup.models.m.M}\n")
    assert how_chosen(compose("m", "mnist")) == NOT_STATED
    assert how_chosen(compose("m", "mnist") | {"recipe": "gone"}) == NOT_STATED
