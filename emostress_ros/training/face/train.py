"""Train a facial-expression network on FER2013, with FER+ votes as a second task.

``emostress train face`` trains, calibrates on held-out training faces, exports ONNX and writes the
card.  A network may learn from teachers: their averaged probabilities on the same augmented batch
are its target (Hinton et al., "Distilling the knowledge in a neural network", 2015; Beyer et al.,
"Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).

``torchrun --nproc-per-node N -m -- emostress_ros train face`` trains with N processes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from emostress_ros.errors import ParameterError
from emostress_ros.training import common
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.devices import use
from emostress_ros.training.face import nets as face_nets
from emostress_ros.training.face.data import all_there, prepare
from emostress_ros.training.face.fit import load_average, load_net, trainer_of
from emostress_ros.training.face.mobilenet import PACKAGE, MobileNetV1
from emostress_ros.training.face.recipe import run_folder
from emostress_ros.training.options import add_device, kept, number, share, whole
from emostress_ros.training.together import together


def main(argv: list[str] | None = None) -> int:
    """Run ``emostress train face``; return the exit status."""
    options = parser().parse_args(argv)
    use(options.device)
    if options.resume:
        kept(run_folder(options) / "checkpoint.pt")
    common.seed_everything(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    train, validation, report = prepare(fer2013.load(options.data), options.seed, options.limit)
    if not options.limit:
        all_there(train)
    print(report)
    if options.average:
        net = load_average(options.average)
    elif options.export_only:
        net = load_net(run_folder(options) / "checkpoint.pt")
    else:
        net = trainer_of(options, train, validation).run()
    if options.side:
        _resize(net, options.side)
    if not options.no_export:
        from emostress_ros.training.face.export import export, plot

        targets = validation.emotion.numpy(), validation.ferplus.numpy()
        folder = export(net, options, validation.faces, *targets)
        if (run_folder(options) / "log.csv").is_file():
            plot(run_folder(options), options.curves or folder / "training.png", folder.name)
        print(f"wrote {folder}")
    return 0


def _resize(net: torch.nn.Module, side: int) -> None:
    if not isinstance(net.body, MobileNetV1) or not 32 <= side <= 224:
        raise ParameterError(f"--side is for mobilenet and its kin, 32 … 224; got {side}")
    net.body.side = side


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options of a training."""
    made = argparse.ArgumentParser("emostress train face", description=__doc__)
    add = made.add_argument
    add("--data", type=Path, required=True, help="fer2013.npz or fer2013.csv, or their folder")
    add("--arch", default="resnet_small", choices=sorted(face_nets.ARCHITECTURES))
    add("--out", type=Path, default=None, help="model folder (default: models/face_ARCH)")
    add("--work", type=Path, default=None, help="checkpoint, log (default: runs/face_ARCH_sSEED)")
    add("--epochs", type=whole(1), default=60)
    add("--minutes", type=number(), default=0.0, help="train this long instead of --epochs")
    add("--stop-after", type=whole(), default=0, help="end after this epoch; 0: never")
    add("--batch", type=whole(1), default=128)
    add("--lr", type=number(above=0.0), default=0.1)
    add("--optimizer", default="sgd", choices=("sgd", "adamw"))
    add("--body-lr", type=number(), default=1.0, help="learning rate of the body, part of --lr")
    add("--ema", type=share, default=0.999, help="decay of the moving average of the weights")
    add("--pretrained", type=Path, default=None, help=f"start weights: folder of {PACKAGE}")
    add("--initial", type=Path, default=None, help="checkpoint to start from, as far as it fits")
    add("--full-side", action="store_true", help="train on faces of full size from the beginning")
    add("--weight-decay", type=number(), default=5e-4)
    add("--smoothing", type=share, default=0.05)
    add("--mixup", type=number(), default=0.0)
    add("--teachers", type=Path, nargs="*", default=[], help="checkpoints to learn from")
    add("--refine", type=Path, nargs="*", default=[], help="their mean refines the labels")
    add("--own-label", type=share, default=0.3, help="share of a face's label in a refined one")
    add("--average", type=Path, nargs="*", default=[], help="ship the mean of these checkpoints")
    add("--distil", type=share, default=0.8, help="weight of the teachers, 0 … 1")
    add("--balance", type=share, default=0.0, help="1: classes count alike; 0: as they occur")
    add("--patience", type=whole(), default=0, help="epochs without a better UAR; 0: any")
    add("--seed", type=whole(), default=0)
    add("--resume", action="store_true", help="go on from the run's checkpoint")
    add("--threads", type=whole(), default=0)
    add("--precision", default="bfloat16", choices=("bfloat16", "float32"))
    add_device(made)
    add("--limit", type=whole(), default=0, help="use only so many faces (to try things out)")
    add("--flip", action="store_true", help="ship the mean over face and mirrored face")
    add("--half", action="store_true", help="ship the weights in half precision")
    add("--side", type=whole(), default=0, help="ship at this size of face")
    add("--curves", type=Path, default=None, help="picture of the curves (default: beside card)")
    add("--export-only", action="store_true", help="export the run's checkpoint as it is")
    add("--no-export", action="store_true")
    add("--quiet", action="store_true", help="no progress bar; a line an epoch")
    return made


if __name__ == "__main__":
    raise SystemExit(together(main))
