"""Cards agree with the recorded reports, have calibrated tolerances, and are reproduced by real runs."""

import contextlib
import io
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sample_reports import clustered, generative, on_contents, report, unlabelled

import unsup.runs.lookup
import unsup.training.train
import unsup.training.trainer
from unsup.cli.main import main
from unsup.comparison.recorded import cards
from unsup.comparison.recorded.cards import check_table, digits, read_card, tolerance
from unsup.comparison.recorded.store import read_complete
from unsup.core.errors import UserError
from unsup.evaluation.protocol import DRAFT, VERSION
from unsup.metrics.variance import PRIOR
from unsup.reports.catalogue import OnCard, find_score
from unsup.reports.report import read_report
from unsup.runs.run import Run

TOP = Path(__file__).parents[2]
CARDS = TOP / "results" / "cards"
PROBE = find_score("linear probe").card

check, make_cards = on_contents(cards.check_card), on_contents(cards.make_cards)


def card(folder: Path, kept: list[dict[str, Any]], name: str = "mnist-deep_ae") -> Any:
    """Write cards, and read one of them."""
    for known, text in make_cards(kept, {"mnist": "Digits"}).items():
        (folder / f"{known}.yaml").write_text(text)
    return read_card(folder, name)


def test_a_card_says_what_the_reports_say(tmp_path: Path) -> None:
    kept = [report(seed=seed, probe=0.95 + seed / 100) for seed in (0, 1, 4)]
    found = card(tmp_path, [*kept, report("ae")])
    assert found.seeds == [0, 1, 4] and found.command == "unsup train deep_ae --data mnist"
    assert found.data == {"name": "mnist", "sha256": kept[0]["provenance"]["data_sha256"]}
    assert found.minutes == pytest.approx(np.mean([148.2, 149.2, 152.2]) / 60, abs=0.05)
    assert found.hardware == "Some CPU, 2 cores" and found.commits == [kept[0]["provenance"]["commit"]]
    assert "deep_ae" in found.what and "30 dimensions" in found.what and found.what.endswith("Digits")
    assert list(found.metrics) == ["linear probe", "few-label 10", "k-means ACC", "reconstruction SSE"]
    probe = found.metrics["linear probe"]
    assert probe["seeds"] == {0: 0.95, 1: 0.96, 4: 0.99} and probe["expected"] == digits(np.mean([0.95, 0.96, 0.99]))
    assert probe["tolerance"] == digits(tolerance([0.95, 0.96, 0.99], PROBE, 10_000, 4), 3)


def test_a_card_has_the_numbers_of_threads_that_were_recorded(tmp_path: Path) -> None:
    kept = [report(seed=seed) for seed in (0, 1, 4)]
    assert "threads" not in make_cards(kept, {})["mnist-deep_ae"] and card(tmp_path, kept).threads == {}
    for content, threads in zip(kept, (2, 1), strict=False):  # the last one was recorded earlier
        content["provenance"]["threads"] = threads
        content["run"]["command"] += f" --threads {threads}"
    assert card(tmp_path, kept).threads == {0: 2, 1: 1}
    assert card(tmp_path, kept).command == "unsup train deep_ae --data mnist"


def test_a_card_has_the_metrics_that_a_model_has(tmp_path: Path) -> None:
    assert "own clusters ACC" in card(tmp_path, [clustered()], "mnist-dec").metrics
    assert card(tmp_path, [generative()], "mnist-vae").metrics["Fréchet"]["expected"] == 4.318
    assert list(card(tmp_path, [unlabelled()], "folder-deep_ae").metrics) == ["reconstruction SSE"]


# ---- tolerances -----------------------------------------------------------------------------------------------------


def test_one_seed_has_the_typical_deviation_and_students_t() -> None:
    metric = OnCard(0.02)
    assert tolerance([0.5], metric, 10**9, 1) == pytest.approx(2.776445 * 0.02 * math.sqrt(2))  # t(4), 97.5 %
    assert tolerance([0.5], metric, 10**9, 5) == pytest.approx(4.604095 * 0.02 * math.sqrt(2))  # t(4), 99.5 %
    relative = OnCard(0.02, share=False)
    assert tolerance([50.0], relative, 10**9, 1) == pytest.approx(2.776445 * 1.0 * math.sqrt(2))


def test_few_test_images_widen_a_share() -> None:
    assert tolerance([0.9], PROBE, 100, 1) == pytest.approx(2.776445 * 0.03 * math.sqrt(2))  # sqrt(.9 · .1 / 100)
    assert tolerance([1.0], PROBE, 100, 1) == pytest.approx(2.776445 * PROBE.deviation * math.sqrt(2))


def test_seeds_moderate_the_typical_deviation() -> None:
    three = tolerance([0.48, 0.50, 0.52], OnCard(0.02), 10**9, 1)  # deviates as it typically does
    assert three == pytest.approx(2.446912 * 0.02 * math.sqrt(4 / 3))  # t(6), 97.5 %
    alike = tolerance([0.5, 0.5, 0.5 + 1e-9], OnCard(0.02), 10**9, 1)  # by luck
    assert alike == pytest.approx(three * math.sqrt(PRIOR / (PRIOR + 2)))
    many = np.random.default_rng(0).normal(0.5, 0.001, 400)  # what was measured outweighs what is typical
    assert tolerance(list(many), OnCard(0.02), 10**9, 1) == pytest.approx(2.5 * 0.001, abs=0.004)


def test_what_no_seed_changes_is_left_to_rounding() -> None:
    assert tolerance([0.5] * 3, PROBE, 10_000, 4) == 0.005 and tolerance([0.5] * 3, PROBE, 100, 4) == 0.03
    assert tolerance([8.0] * 3, find_score("reconstruction SSE").card, 100, 4) == pytest.approx(0.04)
    assert tolerance([0.5] * 2, PROBE, 10_000, 4) > 0.005  # two may agree by luck


def held(seeds: int, deviations: Any, cards: int = 1000, metrics: int = 4) -> float:
    """Return the share of cards whose metrics, of different true deviations, all hold for one more seed."""
    rng, metric = np.random.default_rng(0), OnCard(0.01)
    drawn = 0.5 + deviations(rng, (cards, metrics, 1)) * rng.normal(size=(cards, metrics, seeds + 1))
    return float(
        np.mean(
            [
                all(
                    abs(np.mean(old[:-1]) - old[-1]) <= tolerance(list(old[:-1]), metric, 10**9, metrics) for old in one
                )
                for one in drawn
            ]
        )
    )


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_a_sound_reproduction_holds_in_95_of_100_cards(seeds: int) -> None:
    """Where models differ in their deviations as the shrunken_variance variance supposes: σ² = d₀ s₀² / χ²(d₀)."""
    assert held(seeds, lambda rng, size: 0.01 * np.sqrt(PRIOR / rng.chisquare(PRIOR, size))) == pytest.approx(
        0.95, abs=0.02
    )


@pytest.mark.parametrize(("times", "low", "high"), [(0.5, 0.99, 1.0), (1, 0.95, 0.999), (2, 0.8, 0.95)])
def test_how_wrong_a_typical_deviation_may_be(times: float, low: float, high: float) -> None:
    """Three seeds; all metrics deviate `times` as much as they typically do."""
    assert low <= held(3, lambda rng, size: 0.01 * times) <= high


# ---- checks ---------------------------------------------------------------------------------------------------------


def test_a_run_is_compared_with_its_card(tmp_path: Path) -> None:
    kept = report(seed=0)
    found = card(tmp_path, [kept, report(seed=1, probe=0.9534)])
    assert all(one.holds and one.recorded == one.measured for one in check(found, kept))
    other = report(seed=7)
    other["scores"]["linear_probe"]["accuracy"] -= 0.02
    del other["scores"]["few_label"]
    checks = {one.metric: one for one in check(found, other)}
    assert [name for name, one in checks.items() if not one.holds] == ["linear probe", "few-label 10"]
    assert checks["linear probe"].recorded is None and checks["few-label 10"].measured is None
    probe, few = check_table(check(found, other)).splitlines()[1:3]
    assert "0.9312" in probe and "0.9523 ± " in probe and "NO" in probe and "nothing" in few
    assert "(the same)" in check_table(check(found, kept))


def test_an_unknown_or_damaged_card_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "digits-pcaa"]) == 2
    assert "no card 'digits-pcaa' in results/cards (did you mean 'digits-pca'?)" in capsys.readouterr().err
    (tmp_path / "a.yaml").write_text("what: [")
    with pytest.raises(UserError, match="damaged"):
        read_card(tmp_path, "a")


def test_every_committed_row_has_its_card() -> None:
    names = {f"{path.parts[-3]}-{path.parts[-2]}" for path in (TOP / "results").glob("*/*/*.json")}
    assert names and {path.stem for path in (CARDS).glob("*.yaml")} == names
    for name in names:
        found = read_card(CARDS, name)
        for path in (TOP / "results").glob(
            f"{found.data['name']}/{name.removeprefix(found.data['name'] + '-')}/*.json"
        ):
            assert all(one.recorded == one.measured for one in check(found, read_complete(path))), path


# ---- reproduction ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy recipes and cards into a checkout that may be changed."""
    shutil.copytree(TOP / "configs", tmp_path / "configs")
    shutil.copytree(CARDS, tmp_path / "results" / "cards")
    monkeypatch.setattr(unsup.runs.lookup, "SHIPPED", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(shop: Path, **fields: Any) -> None:
    path = shop / "results" / "cards" / "digits-pca.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], Path]:
    """Reproduce the smallest card; return the exit code, the lines that are printed of it, and the run."""
    runs = tmp_path_factory.mktemp("runs")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(["reproduce", "digits-pca", "--seeds", "1", "--runs", str(runs)])
    (run,) = (runs / "digits" / "pca").iterdir()
    return code, out.getvalue().partition("digits-pca, seed 1: ")[2].splitlines(), run


def test_the_smallest_card_is_reproduced(reproduced: tuple[int, list[str], Path]) -> None:
    code, lines, run = reproduced
    assert code == 0 and lines[0] == str(run)
    assert lines[1].split() == ["measured", "expected", "holds", "recorded"]
    assert [line.split("  ")[0] for line in lines[2:-1]] == list(read_card(CARDS, "digits-pca").metrics)
    assert all(" yes " in line for line in lines[2:-1]) and lines[-1] == "digits-pca holds"
    made = read_report(run / "report.json")
    assert made.run.seed == 1 and made.run.model == "pca"


def test_a_wrong_expectation_fails(
    reproduced: tuple[int, list[str], Path],
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("unsup.training.stages.train_run", lambda *_: Run(reproduced[2]))
    metrics = read_card(CARDS, "digits-pca").metrics
    metrics["linear probe"]["expected"] += 1.1 * metrics["linear probe"]["tolerance"]
    change(shop, metrics=metrics)
    assert main(["reproduce", "digits-pca", "--seeds", "1", "2"]) == 1
    printed = capsys.readouterr()
    assert printed.err.endswith("unsup: digits-pca does not hold: linear probe (seed 1), linear probe (seed 2)\n")
    assert "digits-pca holds" not in printed.out and printed.out.count(" NO ") == 2


def test_the_recorded_number_of_threads_is_used_otherwise_torchs(
    reproduced: tuple[int, list[str], Path], shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def train(config: dict[str, Any], *_: Any) -> Run:
        threads.append(config["threads"])
        return Run(reproduced[2])

    monkeypatch.setattr("unsup.training.stages.train_run", train)
    change(shop, threads={1: 3})
    assert main(["reproduce", "digits-pca", "--seeds", "1", "2"]) == 0
    assert threads == [3, torch.get_num_threads()]


def test_other_images_protocols_and_missing_data_are_refused_before_training(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(shop, data={"name": "digits", "sha256": "ab" * 32})
    assert main(["reproduce", "digits-pca"]) == 1
    assert "these are not the images, labels and split of digits-pca" in capsys.readouterr().err
    change(shop, protocol=0)
    assert main(["reproduce", "digits-pca"]) == 1
    assert "protocol 0" in capsys.readouterr().err
    change(shop, protocol=VERSION, draft=DRAFT, command="unsup train pca --images cats")
    assert main(["reproduce", "digits-pca"]) == 2
    assert "--images <folder>" in capsys.readouterr().err
    assert main(["reproduce", "digits-pca", "--images", "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (shop / "runs").exists()
