"""First steps of every training on a device that nobody has: ``test_devices.py`` runs this apart.

torch's fake tensors compute shapes and devices alone, and refuse to mix devices as a GPU would.
The device is torch's spare one, as torch's builds for the CPU cannot name a CUDA device where they
index; it stays registered, so that this needs a process of its own::

    python trainings_on_a_device.py FOLDER CASE...
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shared_trainings
import torch
from shared_trainings import CASES
from test_fusion_training import WIDTHS, TinyFace, table
from test_voice import lessons
from test_voice_nets import bank
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._pytree import tree_map

from emostress_ros.training.devices import device_of
from emostress_ros.training.face import fit as face
from emostress_ros.training.face import train as train_face
from emostress_ros.training.face.data import FaceSet
from emostress_ros.training.fusion import fit as fusion
from emostress_ros.training.fusion import tune as tuning
from emostress_ros.training.fusion.pairs import Pairs, joined_text, layout_of
from emostress_ros.training.logs import CsvLog
from emostress_ros.training.physiology import net_fit as physiology
from emostress_ros.training.physiology.raw import WIDTH
from emostress_ros.training.task import Judging, Step, Task, TrainerOptions
from emostress_ros.training.text import finetune as text
from emostress_ros.training.text import heads
from emostress_ros.training.voice import fit as voice
from emostress_ros.training.voice import nets
from emostress_ros.training.voice import nets_fit as voices
from emostress_ros.training.voice.net import VoiceNet
from emostress_ros.training.voice.nets import ARCHITECTURES, architecture

backend_registration._setup_privateuseone_for_python_backend("spare")
torch.spare.get_amp_supported_dtype = lambda: [torch.bfloat16]  # type: ignore[attr-defined]
DEVICE = torch.device("spare", 0)
MODE = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())


class _Fakes(TorchFunctionMode):
    """Has what is moved or indexed be a fake of which no number is known, however small."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__getitem__ and isinstance(args[1], tuple):
            # Of a list torch itself makes an index on the tensor's device, which has no kernels.
            index = (torch.tensor(i) if isinstance(i, list) else i for i in args[1])
            args = (args[0], tuple(index))
        given = dict(kwargs or {})
        if func is torch.tensor:  # likewise
            return _fake(torch.tensor(*args)).to(given.pop("device", "cpu"), **given)
        if func in (Tensor.to, Tensor.__getitem__):
            args = tree_map(_fake, args)
        return func(*args, **given)


def _fake(value: Any) -> Any:
    if isinstance(value, FakeTensor):
        value.constant = None
    elif isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return MODE.from_tensor(value, static_shapes=True)
    return value


def _numpy(tensor: Tensor, **_: Any) -> np.ndarray:
    """Return zeros of a tensor's shape, where a true one can be read."""
    if tensor.device.type != "cpu":
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy")
    return np.zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


FakeTensor.numpy = _numpy  # type: ignore[method-assign,assignment]


@contextlib.contextmanager
def faked() -> Iterator[None]:
    """Make tensors fake, so that the device can be used."""
    with MODE, _Fakes():
        yield


def place(net: nn.Module) -> None:
    """Put a network on the device: ``Module.to`` cannot swap fake tensors."""
    for module in net.modules():
        for held in (module._parameters, module._buffers):
            for name, value in held.items():
                if value is not None and value.device != DEVICE:
                    there = torch.empty(value.shape, dtype=value.dtype).to(DEVICE)
                    wanted = isinstance(value, nn.Parameter)
                    held[name] = nn.Parameter(there, value.requires_grad) if wanted else there
        if isinstance(module, nn.RNNBase):
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]


class FirstSteps:
    """Takes every batch of the first epoch, on the device, and judges; in a trainer's place."""

    steps, most = 0, 2

    def __init__(
        self, net: nn.Module, task: Task, options: TrainerOptions, rng: np.random.Generator,
        **_: Any,
    ) -> None:  # fmt: skip
        self.net, self.task, self.rng = net, task, rng
        self.averaged, self.epoch = net, 1
        self.stopping = SimpleNamespace(best_epoch=1)
        net.cpu = lambda: net  # type: ignore[method-assign]

    def epochs(self) -> Iterator[dict[str, float]]:
        batches = self.task.batches(0, self.rng)
        with faked():
            place(self.net)
            self.task.to(DEVICE)
            for name, value in vars(self.task).items():
                if isinstance(value, FaceSet):
                    setattr(self.task, name, value.to(DEVICE))
            step = Step(0, 0.0, self.rng, DEVICE, contextlib.nullcontext)
            self.task.begin(self.net)
            for batch in batches[: self.most]:
                loss = Judging(self.net, self.task)(batch, step)
                assert {term.device for term in loss.terms.values()} == {DEVICE}
                loss.total.backward()
                FirstSteps.steps += 1
            if not isinstance(self.task, face._Faces):  # which reads numbers off the device
                self.task.validate(self.net)
        yield defaultdict(float)

    def run(self) -> nn.Module:
        list(self.epochs())
        return self.net.eval()

    def curves(self) -> dict[str, list[float]]:
        return defaultdict(list)


for _module in (face, voice, voices, physiology, text, heads, fusion, tuning):
    _module.Trainer = FirstSteps  # type: ignore[attr-defined,misc]
text.read_log = shared_trainings.text.read_log = lambda run: defaultdict(list)


def on_device(rows: Any, net: nn.Module) -> None:
    """See that a network on the device gave rows of numbers."""
    assert device_of(net) == DEVICE
    for row in rows.values() if isinstance(rows, dict) else [rows]:
        assert isinstance(row, np.ndarray)


def finetuned(folder: Path) -> None:
    FirstSteps.most = 99  # a batch is of one set, and asks the heads of that
    _, net = CASES["finetuned"](folder)
    with faked():
        on_device(text.predict(net, [[1, 5, 2], [1, 2]]), net)  # type: ignore[arg-type]
        on_device(heads.pooled(net.encoder, [[1, 5, 2]]), net)
        on_device(heads.as_linear(net.heads["meld"]).weight, net)


def headed(folder: Path) -> None:
    FirstSteps.most = 99
    _, net = CASES["heads"](folder)
    with faked():
        on_device(heads.head_logits(net, np.zeros((3, 16), np.float32)), net)  # type: ignore[arg-type]


def wearable(folder: Path) -> None:
    frames, stress = np.zeros((12, 32, WIDTH), np.float32), np.arange(12) % 2
    windows = physiology.RawWindows(frames, stress, tuple(f"p{i % 3}" for i in range(12)))
    for name in ("lstm", "cnn_lstm"):
        options = physiology.NetOptions(batch=6)
        fitted = physiology.fit_net(name, windows, windows, options, folder)
        with faked():
            on_device(fitted.logit(frames), fitted.net)


def faces(folder: Path) -> None:
    rows = torch.randint(0, 256, (12, 1, 48, 48), dtype=torch.uint8)
    known = FaceSet(rows, torch.eye(7)[torch.arange(12) % 7], torch.eye(8)[torch.arange(12) % 8])
    words = ["--data", "none", "--work", str(folder), "--batch", "6", "--quiet"]
    for name in ("resnet_small", "mobilenet"):
        options = train_face.parser().parse_args([*words, "--arch", name])
        net = face.trainer_of(options, known, known).run()
        with faked():
            said = face.predict(net, rows)
            assert all(part.device.type == "cpu" for part in said)


def shipped_voice(folder: Path) -> None:
    known = lessons(np.tile(np.arange(8), 5))
    options = voice.FitOptions(head_batch=9, tuning_batch=6)
    for tuned, (_, net) in enumerate(voice.fit(VoiceNet(8), known, options)):
        with faked():
            on_device(voice.predict(net, known, np.arange(3), tuned=bool(tuned)), net.head)


def other_voices(folder: Path) -> None:
    known, index = bank(), np.arange(40)
    for name in ARCHITECTURES:
        chosen = architecture(name)
        if voices.is_closed(chosen) or name == "gru":  # of its cell torch has no fake
            continue
        options = voices.NetOptions(batch=8)
        trainer = voices.trainer_of(chosen, known, index, 4, options, held=np.arange(40, 48))
        net = trainer.run()
        with faked():
            on_device(voices.predict_net(net, known, index), net)  # type: ignore[arg-type]


def fused(folder: Path) -> None:
    joined = joined_text({name: table(name) for name in WIDTHS})
    pairs = Pairs(joined, layout_of(joined))
    for name in fusion.NETS:
        fusion.fit(name, pairs, fusion.FitOptions(steps=2, batch=32))


def tuned(folder: Path) -> None:
    joined = joined_text({name: table(name) for name in WIDTHS})
    faces = table("face", people=140, each=1)
    shown = np.zeros((140, 48, 48), np.uint8)
    tables = {**joined, "face": tuning.face_rows(TinyFace(), [shown, shown], faces)}
    layout = layout_of(tables)
    net = fusion.NETS["attention"](layout)
    log = CsvLog(folder / "tune.csv")
    pairs = Pairs(tables, layout)
    tuning.tune(TinyFace(), net, shown, pairs, tuning.TuneOptions(steps=2, batch=32), log)


def _packed(rows: Tensor, lengths: Tensor, **_: Any) -> Tensor:
    """Return the rows as they are; of packing torch has no fake."""
    assert lengths.device.type == "cpu"
    return rows


nets.pack_padded_sequence = _packed  # type: ignore[assignment]
nets.pad_packed_sequence = lambda rows, **_: (rows, None)  # type: ignore[assignment,misc]


def left_behind(folder: Path) -> None:
    """Voice, its frames left on the CPU: what a case that mixes devices says."""
    voices.moved = lambda data, device: data  # type: ignore[assignment]
    other_voices(folder)


ON_DEVICE: dict[str, Callable[[Path], None]] = {
    case.__name__: case
    for case in (
        faces, finetuned, headed, wearable, shipped_voice, other_voices, fused, tuned, left_behind
    )
}  # fmt: skip


def main(folder: Path, names: list[str]) -> int:
    """Run the cases; print what went wrong in each, and how many steps it took."""
    found = {}
    for name in names:
        FirstSteps.steps, FirstSteps.most, problem = 0, 2, ""
        began = time.perf_counter()
        try:
            ON_DEVICE[name](folder / name)
        except Exception as error:
            traceback.print_exc(limit=-9)
            problem = f"{type(error).__name__}: {str(error)[:300]}"
        found[name] = {"steps": FirstSteps.steps, "problem": problem}
        print(name, f"{time.perf_counter() - began:.1f} s", file=sys.stderr)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or list(ON_DEVICE)))
