"""The README's table is what the kept reports say, and only sound reports are kept."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports import generative, report, unlabelled
from reports import scores as made_up

from unsup.errors import UserError
from unsup.evaluation.report import write_report
from unsup.evaluation.results import BEGIN, END, add, update_readme
from unsup.evaluation.results_table import make_command, results_table


def rows(table: str) -> dict[str, dict[str, str]]:
    """{model: {column: cell}} of a table with one data set; the table of its layers is left out."""
    models = table.partition("By layer")[0].splitlines()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in models if line[:1] == "|"]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def run_folder(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    write_report(folder, content)
    return folder


def readme(folder: Path) -> Path:
    path = folder / "README.md"
    path.write_text(f"# Title\n\n{BEGIN}\n{END}\n\nmore\n")
    return path


def test_rows_are_means_and_deviations_over_seeds() -> None:
    probes = [0.9512, 0.9467, 0.9533]
    kept = [report(seed=seed, probe=probe) for seed, probe in enumerate(probes)]
    row = rows(results_table(kept))["deep_ae"]
    assert row["linear probe"] == f"{np.mean(probes):.3f} ± {np.std(probes, ddof=1):.3f}".replace("0.", ".")
    knn = [r["scores"]["knn"]["accuracy"] for r in kept]
    assert row["kNN"] == f"{np.mean(knn):.3f} ± {np.std(knn, ddof=1):.3f}".replace("0.", ".")
    assert row["reconstruction SSE"] == "9.13 ± 0.00"
    assert row["seeds"] == "3" and row["dim"] == "30"
    assert row["minutes"] == f"{np.mean([148.2, 149.2, 150.2]) / 60:.1f}"
    assert row["command"] == "`make train MODEL=deep_ae DATA=mnist`"


def test_layers_stand_beside_the_untrained_ones() -> None:
    kept = [report(seed=seed) for seed in range(2)]
    layers = kept[0]["scores"]["layers"]
    table = results_table(kept).partition("By layer")[2]
    for name, scores in layers.items():
        twin = kept[0]["floors"]["untrained"]["layers"][name]
        (row,) = (line for line in table.splitlines() if f"| {name} |" in line)
        for one in (scores, twin):
            assert f"{one['linear_probe']['accuracy']:.3f}".lstrip("0") in row
            assert f"{one['few_label']['10']['mean']:.3f}".lstrip("0") in row


def generation_rows(table: str) -> dict[str, dict[str, str]]:
    text = table.partition("Generation, ")[2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def test_models_that_generate_have_a_further_table_with_floor_and_ceiling() -> None:
    gan = generative("gan", frechet=3.1)
    for scores in (gan["scores"], gan["floors"]["untrained"]):
        del scores["likelihood"]
    table = results_table([report(), gan, generative(seed=0), generative(seed=1, frechet=4.518)])
    found = generation_rows(table)
    assert list(found) == ["gan", "vae", "*gan, untrained*", "*vae, untrained*", "*real against real*"]
    assert found["vae"]["Fréchet"] == "4.42 ± 0.141" and found["vae"]["kernel"] == "0.0442 ± 0.00141"
    assert found["vae"]["precision"] == ".812 ± .000" and found["vae"]["recall"] == ".734 ± .000"
    assert found["vae"]["-ELBO"] == "101.3 ± 0.00" and found["vae"]["NLL"] == "96.69 ± 0.00"
    assert found["vae"]["seeds"] == "2" and found["vae"]["minutes"] == "2.5"
    assert found["gan"]["Fréchet"] == "3.1" and found["gan"]["-ELBO"] == "" and found["gan"]["seeds"] == "1"
    assert found["*vae, untrained*"]["-ELBO"] == "546.8" and found["*vae, untrained*"]["seeds"] == ""
    assert found["*real against real*"]["Fréchet"] == "0.0908" and found["*real against real*"]["NLL"] == ""
    title = next(line for line in table.splitlines() if line.startswith("Generation"))
    assert "10,000, in 64 features of a small classifier, validation accuracy .991" in title
    assert "NLL from 100 posterior samples" in title
    assert "Generation" not in results_table([report()])
    assert set(rows(table.partition("By layer")[0])) >= {"vae", "gan", "deep_ae"}


def test_a_likelihood_without_samples_has_its_table_too() -> None:
    flow = generative("flow")
    for scores in (flow["scores"], flow["floors"]["untrained"]):
        del scores["generation"]
    del flow["floors"]["real"]
    text = results_table([flow]).partition("Likelihood. NLL from 100 posterior samples:")[2]
    assert "| flow | 101.3 | 96.69 | 1 | 2.5 |" in text and "*flow, untrained*" in text and "real" not in text


def test_one_seed_has_no_spread() -> None:
    table = results_table([report()])
    assert "±" not in table
    assert rows(table)["deep_ae"]["linear probe"] == ".951"


def test_models_are_ranked_and_floors_follow() -> None:
    wide = report("wide", probe=0.93)
    wide["floors"]["pca"] = wide["floors"]["pca"] | {"code_dim": 64}
    table = rows(results_table([report("b", probe=0.9), wide, report("a", probe=0.96)]))
    assert list(table) == ["a", "wide", "b", "*PCA-64*", "*PCA-30*", "*raw pixels*"]
    assert table["*PCA-30*"]["linear probe"] == ".896" and table["*PCA-30*"]["reconstruction SSE"] == "13.87"
    assert table["*raw pixels*"]["dim"] == "784" and table["*raw pixels*"]["reconstruction SSE"] == ""
    assert table["*PCA-30*"]["command"] == "" and table["*PCA-30*"]["seeds"] == ""


def test_every_model_stands_beside_its_own_untrained_twin() -> None:
    other = report("b", probe=0.9)
    other["floors"]["untrained"] = made_up(30, 0.7123)
    table = rows(results_table([other, report("a", probe=0.96)]))
    assert table["a"]["untrained: linear probe"] == ".883" and table["b"]["untrained: linear probe"] == ".712"
    assert table["b"]["untrained: few-label 10"] == ".611"
    assert table["*raw pixels*"]["untrained: linear probe"] == ""
    del other["floors"]["untrained"]
    assert rows(results_table([other, report("a")]))["b"]["untrained: linear probe"] == ""


def test_columns_keep_their_order_when_the_best_model_does_not_reconstruct() -> None:
    best = report("best", probe=0.99)
    del best["scores"]["reconstruction"]
    columns = list(rows(results_table([best, report()]))["best"])
    assert columns[-4:] == ["reconstruction SSE", "seeds", "minutes", "command"]


def test_data_sets_and_hardware_stand_above_their_tables() -> None:
    other = report(data="digits")
    other["provenance"]["hardware"] = {"processor": "Host", "cores": 16, "accelerator": "Big GPU"}
    table = results_table([report(), other])
    assert table.index("**digits**") < table.index("**mnist**")
    assert "Big GPU, Host, 16 cores" in table and "Some CPU, 2 cores" in table


def test_unlabelled_data_have_only_the_columns_that_apply() -> None:
    table = rows(results_table([unlabelled()]))
    assert list(table["deep_ae"]) == ["model", "dim", "reconstruction SSE", "seeds", "minutes", "command"]


def test_seeds_of_different_settings_are_not_averaged() -> None:
    other = report(seed=1)
    other["run"]["command"] += " --model.lr 0.1"
    with pytest.raises(UserError, match="deep_ae were trained differently"):
        results_table([report(), other])
    with pytest.raises(UserError, match="schemas"):
        results_table([report(), report(seed=1) | {"schema": 1}])


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("unsup train m --seed 3 --data_root ../x --runs y", "make train MODEL=m DATA=mnist"),
        ("unsup train m --data=mnist --epochs 3 --seed=1", "make train MODEL=m DATA=mnist EPOCHS=3"),
        ("unsup train m --images 'my pictures'", "make train MODEL=m 'IMAGES=my pictures'"),
        (
            "unsup train m --model.lr 0.1 --model.widths '[5, 3]'",
            """make train MODEL=m DATA=mnist ARGS="--model.lr 0.1 --model.widths '[5, 3]'\"""",
        ),
        ("unsup train m --trainer.max_epochs=3", 'make train MODEL=m DATA=mnist ARGS="--trainer.max_epochs=3"'),
    ],
)
def test_the_command_is_what_a_reader_types(typed: str, shown: str) -> None:
    assert make_command({"model": "m", "data": "mnist", "seed": 0, "command": typed}) == shown


def test_the_readme_follows_the_kept_reports(tmp_path: Path) -> None:
    path, kept = readme(tmp_path), tmp_path / "results"
    assert not update_readme(path, kept, check=True)  # nothing kept, nothing shown
    target = add(run_folder(tmp_path / "run", report()), kept)
    assert target == kept / "mnist" / "deep_ae" / "0.json"
    before = path.read_text()
    assert update_readme(path, kept, check=True) and path.read_text() == before
    assert update_readme(path, kept)
    text = path.read_text()
    assert rows(text)["deep_ae"]["linear probe"] == ".951"
    assert text.startswith("# Title\n\n") and text.endswith("\n\nmore\n")
    assert not update_readme(path, kept, check=True) and not update_readme(path, kept)
    changed = json.loads(target.read_text())
    changed["scores"]["linear_probe"]["accuracy"] = 0.5
    target.write_text(json.dumps(changed))
    assert update_readme(path, kept, check=True)


def test_a_kept_report_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    made = report()
    made["run"]["command"] = "unsup train deep_ae --data mnist --data_root=/some/data --runs /some/runs --model.lr 0.1"
    made["provenance"]["config"]["data"] = {"init_args": {"root": "/some/data", "batch_size": 256}}
    write_report(tmp_path, made)
    target = add(tmp_path, tmp_path / "results")
    kept = json.loads(target.read_text())
    assert "/some" not in target.read_text()
    assert kept["run"]["command"] == "unsup train deep_ae --data mnist --model.lr 0.1"
    assert kept["provenance"]["config"]["data"] == {"init_args": {"batch_size": 256}}
    assert kept["scores"] == made["scores"] and kept["floors"] == made["floors"]


@pytest.mark.parametrize("text", ["no markers", f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_readme_without_its_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(UserError, match=r"README.md must have the lines"):
        update_readme(tmp_path / "README.md", tmp_path / "results")
    assert (tmp_path / "README.md").read_text() == text


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("provenance", "dirty"), True, "no commit holds"),
        (("provenance", "resumed"), [{"dirty": False}, {"dirty": True}], "no commit holds"),
        (("provenance", "commit"), None, "has no provenance.commit"),
        (("run", "train_seconds"), None, "has no run.train_seconds"),
        (("floors",), None, "has no floors"),
        (("selfcheck", "passed"), 8, "failed its own check"),
        (("frozen", "after"), "cd" * 32, "the encoder changed"),
        (("test_reads",), 2, "read again"),
        (("run", "command"), "python my.py", "not trained by"),
        (("run", "model"), "../../up", "cannot be the name of a file"),
    ],
)
def test_reports_that_cannot_be_trusted_are_not_kept(
    tmp_path: Path, path: tuple[str, ...], value: Any, message: str
) -> None:
    content = copy.deepcopy(report())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    run = tmp_path / "run"
    run.mkdir()
    (run / "report.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        add(run, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"scores": NaN}', '{"scores": null}', ""])
def test_damaged_reports_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results" / "mnist" / "m" / "0.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UserError, match=r"results/mnist/m/0\.json"):
        update_readme(readme(tmp_path), tmp_path / "results")


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nowhere/report\.json"):
        add(tmp_path / "nowhere", tmp_path / "results")


def test_the_table_needs_no_torch() -> None:
    code = "import sys, unsup.evaluation.results; sys.exit(bool({'torch', 'matplotlib', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
