"""`emostress figures`: a card's figures are found again, or the command says which are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emostress_ros.cli import figures
from emostress_ros.cli.main import main
from emostress_ros.errors import CardError, ParameterError
from emostress_ros.evaluation.card_figures import Claim, compare, score_words
from emostress_ros.evaluation.kept_scores import FILE, KeptScores
from emostress_ros.resources import share_directory

LINES = [
    ("I love this so much, thank you!", "3"),
    ("This makes me furious, what an idiot", "0"),
    ("I'm scared of what comes next", "2"),
    ("The meeting is at five.", "4"),
    ("I am so sorry for your loss", "5"),
]
COMMAND = "emostress score text goemotions DATA/text/goemotions --split dev"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of all data that holds five comments."""
    folder = tmp_path / "data/text/goemotions"
    folder.mkdir(parents=True)
    rows = [f"{text}\t{ids}\tid{i}\n" for i, (text, ids) in enumerate(LINES)]
    (folder / "dev.tsv").write_text("".join(rows))
    return tmp_path / "data"


@pytest.fixture
def claiming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a copy of a shipped model whose card claims what a test wants."""
    folder = tmp_path / "models/tiny"
    shutil.copytree(share_directory() / "models/text_minilm_open", folder)
    monkeypatch.setenv("EMOSTRESS_MODELS", str(folder.parent))

    def claim(**figure: object) -> None:
        card = yaml.safe_load((folder / "model.yaml").read_text())
        card["name"] = "tiny"
        figure = {"dataset": "goemotions", "split": "dev", "n": 5, "command": COMMAND, **figure}
        card["figures"] = [figure]
        (folder / "model.yaml").write_text(yaml.safe_dump(card))

    return claim


def found(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict]:
    status = main(["figures", "--data", str(data), "--only", "tiny", "--json", *more])
    return status, json.loads(capsys.readouterr().out)[0]


def test_a_figure_holds_or_does_not(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    claiming(n=5, metrics={"accuracy": 0.0})
    status, figure = found(data, capsys)
    accuracy = figure["values"]["accuracy"]["found"]
    assert accuracy > 0.5
    assert status == 1
    assert figure["values"]["n"]["holds"]
    assert not figure["holds"]

    claiming(n=5, metrics={"accuracy": accuracy - 0.005})
    assert found(data, capsys)[0] == 0
    claiming(n=5, metrics={"accuracy": accuracy - 0.0051})
    assert found(data, capsys)[0] == 1
    claiming(n=6, metrics={"accuracy": accuracy})
    assert found(data, capsys)[0] == 1


def test_a_figure_of_a_part_is_found_in_that_part(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    claiming(part=["single_label"], n=5, metrics={"uar": 0.0})
    status, figure = found(data, capsys)
    assert (status, figure["problem"]) == (1, "")
    claiming(part=["sex female"], n=5, metrics={"uar": 0.0})
    assert "'sex female'" in found(data, capsys)[1]["problem"]


def test_figures_inside_a_figure_are_found_inside_its_score(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    inside = {"n": 5.0, "accuracy": -1.0, "ci95": {}}
    claiming(metrics={"accuracy": 1.0}, single_label=inside, slices={"short": inside})
    assert main(["figures", "--data", str(data), "--only", "tiny", "--json"]) == 1
    _, single, part = json.loads(capsys.readouterr().out)
    assert (single["part"], part["part"]) == (["single_label"], ["slices", "short"])
    assert single["values"]["n"]["holds"]
    assert not single["values"]["accuracy"]["holds"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("emostress train text (scored after export)", "must be `emostress score"),
        (f"{COMMAND} --nonsense", "--nonsense"),
        (COMMAND.replace("dev", "test"), "test.tsv"),
    ],
)
def test_a_command_that_gives_no_figure_is_named(
    data: Path,
    claiming: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    command: str,
    said: str,
) -> None:
    claiming(command=command, metrics={"uar": 0.5})
    status, figure = found(data, capsys)
    assert status == 1
    assert said in figure["problem"]


def test_quick_leaves_out_what_trains(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    claiming(command=f"{COMMAND} --protocol folds", metrics={"uar": 0.5})
    status, figure = found(data, capsys, "--quick")
    assert (status, figure["skipped"]) == (0, True)


def test_the_table_says_which_figure_fails(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    claiming(metrics={"accuracy": 0.0})
    assert main(["figures", "--data", str(data), "--only", "tiny"]) == 1
    printed = capsys.readouterr().out
    assert "NO" in printed
    assert "1 do not hold" in printed


def test_a_stopped_run_goes_on_where_it_was(
    data: Path,
    claiming: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    work = ("--work", str(tmp_path / "work"))
    claiming(metrics={"accuracy": 0.0})
    _, first = found(data, capsys, *work)
    assert (first["kept"], first["seconds"] > 0) == (False, True)

    def refuse(*_: object) -> None:
        raise AssertionError("a kept score was run again")

    value = first["values"]["accuracy"]["found"]
    claiming(metrics={"accuracy": value})  # a figure that was mended needs no second run
    with monkeypatch.context() as patch:
        patch.setattr(figures.Runner, "score", refuse)
        status, second = found(data, capsys, *work)
        assert (status, second["kept"], second["seconds"]) == (0, True, first["seconds"])
        assert second["values"]["accuracy"]["found"] == value
        with pytest.raises(AssertionError):  # of another command nothing is kept
            claiming(metrics={"accuracy": value}, command=f"{COMMAND} --baseline none")
            found(data, capsys, *work)

    claiming(metrics={"accuracy": value})
    card = tmp_path / "models/tiny/model.yaml"
    raw = yaml.safe_load(card.read_text())
    card.write_text(yaml.safe_dump({**raw, "threshold_unknown": 0.01}))
    assert not found(data, capsys, *work)[1]["kept"]  # another model


def test_what_fails_is_run_again(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    work = ("--work", str(tmp_path / "work"))
    rows = data / "text/goemotions/dev.tsv"
    text = rows.read_text()
    rows.unlink()
    claiming(metrics={"accuracy": 1.0})
    assert "dev.tsv" in found(data, capsys, *work)[1]["problem"]
    rows.write_text(text)
    assert found(data, capsys, *work)[1]["problem"] == ""


def test_a_damaged_file_of_kept_scores_is_named(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"a": {"score": {}}}'):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(ParameterError, match=FILE):
            KeptScores(tmp_path)


def test_the_summary_counts_by_model(
    data: Path, claiming: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    claiming(
        metrics={"accuracy": 1.0},
        single_label={"n": 5.0, "accuracy": -1.0},
        slices={"odd": {"n": 5}},
    )
    assert main(["figures", "--data", str(data), "--only", "tiny"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    summary = text[text.index("figures of the cards") :]
    assert "│ tiny │ 3 │ 1 │ 2 │ 0 │ 0 │" in summary
    assert "does not hold: tiny on goemotions, dev (single_label): accuracy" in text
    assert "does not hold: tiny on goemotions, dev (slices odd): tiny: the score has no" in text
    assert text.endswith("figures: 1 hold, 2 do not hold, 0 were not run")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ParameterError, match="nothing_of_that_name"):
        figures.chosen("nothing_of_that_name")


def claim_of(command: str, **values: float) -> Claim:
    return Claim("m", Path("m"), "d", "s", command, (), values)


@pytest.mark.parametrize("path", ["DATA/voice", "../shared/data/voice", "DIR/voice"])
def test_data_stands_where_it_really_lies(path: str) -> None:
    words = score_words(claim_of(f"emostress score voice tess {path} --json"), Path("/d"))
    assert words == ["voice", "tess", "/d/voice", "--json"]
    words = score_words(claim_of("emostress score voice tess DATA"), Path("/d"))
    assert words == ["voice", "tess", "/d/voice/tess"]


def test_a_figure_that_is_no_number_agrees_with_nothing() -> None:
    (check,) = compare(claim_of("c", uar=0.5), {"uar": None})
    assert not check.holds
    with pytest.raises(CardError, match="has no 'ece'"):
        compare(claim_of("c", ece=0.5), {"uar": 0.5})


# Voice and physiology have no quick figures: theirs train. `make figures` runs every figure.
@pytest.mark.parametrize(
    "command",
    [
        "emostress score face fer2013 DIR --split publictest",
        "emostress score text meld ../shared/data/text/meld --split dev --model text_minilm",
    ],
)
def test_a_sample_of_the_quick_figures_is_reproduced(shared_data: Path, command: str) -> None:
    claims = [claim for claim in figures.chosen(None) if claim.command == command]
    assert {claim.part == () for claim in claims} == {True, False}  # the whole, and its parts
    runner = figures.Runner(shared_data, None, quiet=True)
    checks = [c for claim in claims for c in compare(claim, runner.score(claim).to_json_dict())]
    assert [check for check in checks if not check.holds] == []
