"""The tables are what the recorded reports say, and only sound reports are recorded."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from documents import model_rows
from sample_reports import clustered, generative, on_contents, report, typed, unlabelled
from sample_reports import scores as made_up

from unsup.comparison.recorded import tables
from unsup.comparison.recorded.commands import make_command
from unsup.comparison.recorded.plan import read_plan
from unsup.comparison.recorded.store import BEGIN, END, record_report, update_cards, update_readme, update_results_page
from unsup.core.errors import UserError
from unsup.core.removed import current_options
from unsup.evaluation.existing_runs import identity_of
from unsup.reports import report as reports
from unsup.runs.config import compose, resolve
from unsup.runs.lookup import config_names

TOP = Path(__file__).parents[2]
full_tables, readme_tables = on_contents(tables.full_tables), on_contents(tables.readme_tables)
write_report = on_contents(reports.write_report)
EFFORT = ["seeds", "CPU-s", "budget", "images seen", "command"]


def full(kept: list[dict[str, Any]]) -> str:
    return full_tables(kept, {})


def short(kept: list[dict[str, Any]]) -> str:
    return readme_tables(kept, {})


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
    row = model_rows(full(kept))["deep_ae"]
    assert row["linear probe"] == f"{np.mean(probes):.3f} ± {np.std(probes, ddof=1):.3f}".replace("0.", ".")
    knn = [r["scores"]["knn"]["accuracy"] for r in kept]
    assert row["kNN"] == f"{np.mean(knn):.3f} ± {np.std(knn, ddof=1):.3f}".replace("0.", ".")
    assert row["reconstruction SSE"] == "9.13 ± 0.00"
    assert row["seeds"] == "3" and row["dim"] == "30"
    assert row["CPU-s"] == "149" and row["budget"] == f"{np.mean([148.2, 149.2, 150.2]) / 1.02:.0f}"
    assert row["command"] == "`make train MODEL=deep_ae DATA=mnist`"


def test_layers_have_the_untrained_scores_next_to_theirs() -> None:
    kept = [report(seed=seed) for seed in range(2)]
    layers = kept[0]["scores"]["layers"]
    table = full(kept).partition("By layer")[2]
    for name, scores in layers.items():
        twin = kept[0]["baselines"]["untrained"]["layers"][name]
        (row,) = (line for line in table.splitlines() if f"| {name} |" in line)
        for one in (scores, twin):
            assert f"{one['linear_probe']['accuracy']:.3f}".lstrip("0") in row
            assert f"{one['few_label']['10']['mean']:.3f}".lstrip("0") in row


def generation_rows(table: str) -> dict[str, dict[str, str]]:
    text = table.partition("Generation, ")[2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def test_models_that_generate_have_another_table_with_references() -> None:
    gan = generative("gan", frechet=3.1)
    for scores in (gan["scores"], gan["baselines"]["untrained"]):
        del scores["likelihood"]
    table = full([report(), gan, generative(seed=0), generative(seed=1, frechet=4.518)])
    found = generation_rows(table)
    assert list(found) == ["gan", "vae", "*gan, untrained*", "*vae, untrained*", "*real against real*"]
    assert found["vae"]["Fréchet"] == "4.42 ± 0.141" and found["vae"]["kernel"] == "0.0442 ± 0.00141"
    assert found["vae"]["precision"] == ".812 ± .000" and found["vae"]["recall"] == ".734 ± .000"
    assert found["vae"]["-ELBO"] == "101.3 ± 0.00" and found["vae"]["NLL"] == "96.69 ± 0.00"
    assert found["vae"]["seeds"] == "2" and found["vae"]["budget"] == "146"
    assert found["gan"]["Fréchet"] == "3.1" and found["gan"]["-ELBO"] == "" and found["gan"]["seeds"] == "1"
    assert found["*vae, untrained*"]["-ELBO"] == "546.8" and found["*vae, untrained*"]["seeds"] == ""
    assert found["*real against real*"]["Fréchet"] == "0.0908" and found["*real against real*"]["NLL"] == ""
    title = next(line for line in table.splitlines() if line.startswith("Generation"))
    assert "10,000, in 64 features of a small classifier, validation accuracy .991" in title
    assert "NLL from 100 posterior samples" in title
    assert "Generation" not in full([report()])
    assert model_rows(table).keys() >= {"vae", "gan", "deep_ae"}


def test_a_likelihood_without_samples_has_its_table_too() -> None:
    flow = generative("flow")
    for scores in (flow["scores"], flow["baselines"]["untrained"]):
        del scores["generation"]
    del flow["baselines"]["real"]
    text = full([flow]).partition("Likelihood. NLL from 100 posterior samples:")[2]
    assert "| flow | 101.3 | 96.69 | 1 | 145 |" in text and "*flow, untrained*" in text and "real" not in text


def test_one_seed_has_no_spread() -> None:
    table = full([report()])
    assert "±" not in table
    assert model_rows(table)["deep_ae"]["linear probe"] == ".951"


def test_models_are_ranked_and_baselines_follow() -> None:
    wide = report("wide", probe=0.93)
    wide["baselines"]["pca"] = wide["baselines"]["pca"] | {"code_dim": 64}
    table = model_rows(full([report("b", probe=0.9), wide, report("a", probe=0.96)]))
    assert list(table) == ["a", "wide", "b", "*PCA-64*", "*PCA-30*", "*raw pixels*"]
    assert table["*PCA-30*"]["linear probe"] == ".896" and table["*PCA-30*"]["reconstruction SSE"] == "13.87"
    assert table["*raw pixels*"]["dim"] == "784" and table["*raw pixels*"]["reconstruction SSE"] == ""
    assert table["*PCA-30*"]["command"] == "" and table["*PCA-30*"]["seeds"] == ""


def test_every_model_has_its_own_untrained_network() -> None:
    other = report("b", probe=0.9)
    other["baselines"]["untrained"] = made_up(30, 0.7123)
    table = model_rows(full([other, report("a", probe=0.96)]))
    assert table["a"]["untrained: linear probe"] == ".883" and table["b"]["untrained: linear probe"] == ".712"
    assert table["b"]["untrained: few-label 10"] == ".611"
    assert table["*raw pixels*"]["untrained: linear probe"] == ""
    del other["baselines"]["untrained"]
    assert model_rows(full([other, report("a")]))["b"]["untrained: linear probe"] == ""


def test_columns_keep_their_order_when_the_best_model_does_not_reconstruct() -> None:
    best = report("best", probe=0.99)
    del best["scores"]["reconstruction"]
    columns = list(model_rows(full([best, report()]))["best"])
    assert columns[-len(EFFORT) - 1 :] == ["reconstruction SSE", *EFFORT]


def test_data_sets_and_hardware_are_named_above_their_tables() -> None:
    other = report(data="digits")
    other["provenance"]["hardware"] = {"processor": "Host", "cores": 16, "accelerator": "Big GPU"}
    table = full([report(), other])
    assert table.index("## digits\n") < table.index("## mnist\n")  # by name where nothing is said about them
    assert "Big GPU, Host, 16 cores" in table and "Some CPU, 2 cores" in table
    about = {"zoo": "?", "mnist": "A text", "digits": "More"}
    table = full_tables([report(), other, report(data="alps")], about)
    assert table.index("## mnist\n\nA text. ") < table.index("## digits\n\nMore. ") < table.index("## alps\n\nScores")
    assert "zoo" not in table
    table = readme_tables([report(), other, report(data="alps")], about)
    assert table.index("### mnist\n\nA text. ") < table.index("### digits\n\nMore. ")
    assert "alps" not in table and "### digits" in short([other])  # the first two


def test_unlabelled_data_have_only_the_columns_that_apply() -> None:
    table = model_rows(full([unlabelled()]))
    assert list(table["deep_ae"]) == [
        *("model", "dim", "augmentation", "chosen"),
        *("reconstruction SSE", *EFFORT),
    ]


def test_seeds_of_different_settings_are_not_averaged() -> None:
    other = report(seed=1)
    other["run"]["command"] += " --model.lr 0.1"
    with pytest.raises(UserError, match="deep_ae were trained differently"):
        full([report(), other])
    with pytest.raises(UserError, match="schemas"):
        full([report(), report(seed=1) | {"schema": 1}])


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("unsup train m --seed 3 --data_root ../x --runs y", "make train MODEL=m DATA=mnist"),
        ("unsup train m --data mnist --evaluate quick", "make train MODEL=m DATA=mnist"),
        ("unsup train m --data=mnist --epochs 3 --seed=1", "make train MODEL=m DATA=mnist EPOCHS=3"),
        ("unsup train m --images 'my pictures'", "make train MODEL=m 'IMAGES=my pictures'"),
        (
            "unsup train m --model.lr 0.1 --model.widths '[5, 3]'",
            """make train MODEL=m DATA=mnist ARGS="--model.lr 0.1 --model.widths '[5, 3]'\"""",
        ),
        ("unsup train m --trainer.max_epochs=3", 'make train MODEL=m DATA=mnist ARGS="--trainer.max_epochs=3"'),
    ],
)
def test_the_command_is_what_a_reader_types(command: str, shown: str) -> None:
    run = typed(report("m")).run
    run.command = command
    assert make_command(run) == shown


def test_the_readme_follows_the_recorded_reports(tmp_path: Path) -> None:
    path, kept = readme(tmp_path), tmp_path / "results"
    assert not update_readme(path, kept, check=True)  # nothing kept, nothing shown
    target = record_report(run_folder(tmp_path / "run", report()), kept)
    assert target == kept / "mnist" / "deep_ae" / "0.json"
    before = path.read_text()
    assert update_readme(path, kept, check=True) and path.read_text() == before
    assert update_readme(path, kept)
    text = path.read_text()
    assert model_rows(text)["deep_ae"]["linear probe"] == ".951 [.947, .955]"
    assert text.startswith("# Title\n\n") and text.endswith("\n\nmore\n")
    assert not update_readme(path, kept, check=True) and not update_readme(path, kept)
    changed = json.loads(target.read_text())
    changed["scores"]["linear_probe"]["accuracy"] = 0.5
    target.write_text(json.dumps(changed))
    assert update_readme(path, kept, check=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"draft": 1}, "is of protocol 4, draft 1: recording begins when the protocol is final"),
        ({"schema": 3, "protocol": 3}, "is of protocol 3: evaluate the run again"),
    ],
)
def test_drafts_and_old_protocols_are_not_recorded(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    content = report() | changes
    content["floors"] = content["baselines"]  # as schema 3 calls them
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=reason) as caught:
        record_report(tmp_path, tmp_path / "results")
    assert "\n" not in str(caught.value) and not (tmp_path / "results").exists()


def test_tables_say_which_protocol_their_rows_are_of() -> None:
    for table in (full, short):
        assert "All rows are of protocol 4." in table([report()])


def test_a_recorded_report_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    made = report()
    made["run"]["command"] = "unsup train deep_ae --data mnist --data_root=/some/data --runs /some/runs --model.lr 0.1"
    made["provenance"]["config"]["data"] = {"init_args": {"root": "/some/data", "batch_size": 256}}
    write_report(tmp_path, made)
    target = record_report(tmp_path, tmp_path / "results")
    kept = json.loads(target.read_text())
    assert "/some" not in target.read_text()
    assert kept["run"]["command"] == "unsup train deep_ae --data mnist --model.lr 0.1"
    assert kept["provenance"]["config"]["data"] == {"init_args": {"batch_size": 256}}
    assert kept["scores"] == made["scores"] and kept["baselines"] == made["baselines"]


def test_a_folder_of_images_keeps_its_name_alone(tmp_path: Path) -> None:
    made = report(data="folder-cats")
    made["run"]["command"] = "unsup train deep_ae --images '/some/where/cats' --runs=/some/runs"
    made["provenance"]["config"]["data"] = {"init_args": {"images": "/some/where/cats", "size": 32}}
    write_report(tmp_path, made)
    target = record_report(tmp_path, tmp_path / "results")
    kept = json.loads(target.read_text())
    assert "/some" not in target.read_text()
    assert kept["run"]["command"] == "unsup train deep_ae --images cats"
    assert kept["provenance"]["config"]["data"] == {"init_args": {"images": "cats", "size": 32}}
    assert model_rows(full([kept]))["deep_ae"]["command"] == "`make train MODEL=deep_ae IMAGES=cats`"


def test_the_readme_has_the_best_model_familiar_ones_and_baselines() -> None:
    probes = {"b": 0.9, "best": 0.99, "vae": 0.8, "simclr": 0.94, "gan": 0.7, "deep_ae": 0.95}
    recorded = [report(model, probe=probe) for model, probe in probes.items()]
    table = model_rows(short(recorded))
    assert list(table) == ["best", "deep_ae", "simclr", "*raw pixels*", "*PCA-30*", "vae", "gan"]
    assert list(table["best"]) == [
        "model",
        "dim",
        "linear probe",
        "untrained",
        "few-label 10",
        "k-means ACC",
        "seeds",
        "budget",
    ]
    assert table["deep_ae"]["untrained"] == ".883" and table["*raw pixels*"]["untrained"] == ""
    wide = report("pca", probe=0.9123)
    wide["scores"]["code_dim"] = wide["baselines"]["pca"]["code_dim"] = 64
    assert list(model_rows(short([*recorded, wide])))[4] == "*PCA-64*"  # the recorded one


def test_the_readme_has_means_over_seeds_and_intervals_over_test_images() -> None:
    recorded = [report(seed=seed, probe=probe) for seed, probe in enumerate((0.9512, 0.9467))]
    for content, low in zip(recorded, (0.94, 0.95), strict=True):
        content["scores"]["linear_probe"] |= {"low": low, "high": low + 0.02}
    row = model_rows(short(recorded))["deep_ae"]
    assert row["linear probe"] == ".949 [.945, .965]" and "±" not in " ".join(row.values())
    for content in recorded:
        del content["scores"]["linear_probe"]["low"]
    assert model_rows(short(recorded))["deep_ae"]["linear probe"] == ".949"


def test_an_encoder_from_elsewhere_is_a_row_without_costs_and_card(tmp_path: Path) -> None:
    made = report("starter", seed=0, probe=0.99)
    for key in ("cpu_seconds", "stages_cpu_seconds", "reference", "images_seen"):
        made["run"].pop(key, None)
    made["run"] |= {
        "encoder": "starter",
        "command": "unsup evaluate --encoder starter --images /some/cats --encoder.size 96",
    }
    made["pretrained_on"] = {"images": ["other"], "supervision": ["labels"], "text": "Some network, ImageNet-1k"}
    kept = json.loads(record_report(run_folder(tmp_path / "run", made), tmp_path / "results").read_text())
    row = model_rows(full([kept, report()]))["starter (Some network, ImageNet-1k)"]
    assert row["command"] == '`make evaluate ENCODER=starter IMAGES=cats ARGS="--encoder.size 96"`'
    assert row["CPU-s"] == row["budget"] == row["chosen"] == row["augmentation"] == ""
    assert list(model_rows(short([kept, report("best"), report("other", probe=0.2)])))[:2] == [
        "starter (Some network, ImageNet-1k)",
        "best",
    ]
    assert not update_cards(tmp_path / "results") and not (tmp_path / "results" / "cards").exists()


def test_own_clusters_and_kmeans_have_their_columns() -> None:
    row = model_rows(full([clustered(), report()]))["dec"]
    assert row["own clusters ACC"] == ".871" and row["k-means ACC"] == ".637"


def test_a_baseline_that_was_run_as_a_model_is_one_row() -> None:
    pca = report("pca", probe=0.8961)
    table = model_rows(full([report(), pca]))
    assert list(table) == ["deep_ae", "*PCA-30*", "*raw pixels*"]
    assert table["*PCA-30*"]["command"] == "`make train MODEL=pca DATA=mnist`" and table["*PCA-30*"]["seeds"] == "1"
    assert list(model_rows(full([pca]))) == ["*PCA-30*", "*raw pixels*"]


def test_all_that_is_made_from_reports_is_made_and_checked(tmp_path: Path) -> None:
    kept = tmp_path / "results"
    record_report(run_folder(tmp_path / "run", report() | {"protocol": 4}), kept)
    for update, path in (
        (update_results_page, kept / "README.md"),
        (update_cards, kept / "cards" / "mnist-deep_ae.yaml"),
    ):
        assert update(kept, check=True) and not path.exists()
        assert update(kept) and not update(kept) and path.exists()
        path.write_text(path.read_text() + "by hand")
        assert update(kept, check=True)
        assert update(kept) and "by hand" not in path.read_text()
    (kept / "cards" / "mnist-gone.yaml").write_text("")
    assert update_cards(kept, check=True) and update_cards(kept)
    assert [path.name for path in (kept / "cards").iterdir()] == ["mnist-deep_ae.yaml"]
    (kept / "about.yaml").write_text("mnist: Digits\n")
    assert update_results_page(kept) and "## mnist\n\nDigits. " in (kept / "README.md").read_text()


def test_rows_that_the_plan_has_and_the_folder_lacks_are_listed(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("mnist: {3: [deep_ae], 1: [vae, ae]}\ndigits: {2: [ae]}\n")
    record_report(run_folder(tmp_path / "run", report(seed=2)), tmp_path)
    update_results_page(tmp_path)
    _, text = (tmp_path / "README.md").read_text().split("## Rows to come\n\n")
    first, _, *lines = text.splitlines()
    assert first.startswith("6 runs of the plan")
    assert lines == ["* mnist: `ae` 1, `deep_ae` 1 3, `vae` 1", "* digits: `ae` 1 2"]
    (tmp_path / "plan.yaml").write_text("mnist: {0: [deep_ae]}\n")
    assert update_results_page(tmp_path) and "Rows to come" not in (tmp_path / "README.md").read_text()
    (tmp_path / "plan.yaml").write_text("mnist: [deep_ae]\n")
    with pytest.raises(UserError, match="plan.yaml is no plan of rows"):
        update_results_page(tmp_path)


def test_the_plan_names_recipes() -> None:
    plan = read_plan(TOP / "results" / "plan.yaml")
    named = [recipe for rows in plan.values() for recipes in rows.values() for recipe in recipes]
    assert {*named} == {*config_names("model")} - {"simclr_resnet18"}  # for a GPU
    for rows in plan.values():
        recipes = [recipe for several in rows.values() for recipe in several]
        assert len(recipes) == len({*recipes})


def test_what_is_committed_is_up_to_date_and_explained() -> None:
    assert not update_results_page(TOP / "results", check=True), "run make results"
    assert not update_cards(TOP / "results", check=True), "run make results"
    about = yaml.safe_load((TOP / "results" / "about.yaml").read_text())
    assert {path.parts[-3] for path in (TOP / "results").glob("*/*/*.json")} <= about.keys()


def test_every_row_is_of_its_current_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def learned_by(config: dict[str, Any]) -> dict[str, Any]:
        """Return what decides the weights: not where the images are, nor the steps of a call."""
        identity = identity_of(resolve(config))
        return identity | {"data": identity["data"]["init_args"]["batch_size"]}

    for folder in sorted((TOP / "results").glob("*/*/")):
        report = json.loads(min(folder.glob("*.json")).read_text())
        if "encoder" in report["run"]:  # trained elsewhere: there is no recipe
            continue
        recorded = report["provenance"]["config"]
        bfloat16 = recorded["trainer"].get("precision") == "bf16-mixed"  # what the row's machine had, if it matters
        monkeypatch.setattr("unsup.runs.precision.has_bfloat16", lambda found=bfloat16: found)
        data = folder.parent.name.partition("-")[0]
        given = [("data.images", "anywhere"), ("dataset", folder.parent.name)] if data == "folder" else []
        if given:
            recorded["data"]["init_args"]["images"] = "anywhere"
        model = recorded["model"]
        model["init_args"] = current_options(model["class_path"], model["init_args"], folder)
        given.append(("seed", recorded["seed"]))
        assert learned_by(recorded) == learned_by(compose(folder.name, data, [], given)), folder


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
        (("run", "train_seconds"), None, "incomplete: run.train_seconds is missing"),
        (("run", "chosen"), None, "has no run.chosen"),
        (("baselines",), None, "incomplete: baselines is missing"),
        (("selfcheck", "passed"), 8, "failed its own check"),
        (("frozen", "after"), "cd" * 32, "changed the encoder"),
        (("test_reads",), 2, "read 2 times"),
        (("run", "command"), "python my.py", "not made by"),
        (("run", "model"), "../../up", "cannot be the name of a file"),
    ],
)
def test_reports_that_cannot_be_trusted_are_not_recorded(
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
        record_report(run, tmp_path / "results")
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
        record_report(tmp_path / "nowhere", tmp_path / "results")


def test_the_table_needs_no_torch() -> None:
    heavy = "{'torch', 'matplotlib', 'rich'}"
    code = f"import sys, unsup.comparison.recorded.store; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
