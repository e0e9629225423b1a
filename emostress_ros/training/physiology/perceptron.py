"""Small perceptrons: smooth where trees step, bent where a line is not.

Two hidden layers over the standardised features, with dropout and noise; several of them from
different starts are averaged. What is learned is kept as plain matrices, so that judging needs no
torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class PerceptronSettings:
    """How perceptrons are fitted.

    Attributes:
        count: how many are averaged; 0: none.
        hidden: units of the two hidden layers.
        epochs: passes over the windows.
        batch: windows of a step.
        rate: highest learning rate of AdamW.
        weight_decay: of AdamW.
        hidden_inputs: share of the inputs hidden in a step.
        dropout: share of the hidden units dropped in a step.
        noise: spread of the noise on the standardised inputs.
    """

    count: int = 3
    hidden: tuple[int, int] = (64, 32)
    epochs: int = 25
    batch: int = 256
    rate: float = 4e-3
    weight_decay: float = 0.05
    hidden_inputs: float = 0.2
    dropout: float = 0.4
    noise: float = 0.1


@dataclass(frozen=True)
class Perceptron:
    """A fitted perceptron.

    Attributes:
        layers: matrix (outputs, inputs) and bias (outputs,) of each; ReLU in between.
    """

    layers: tuple[Layer, ...]

    def logit(self, inputs: npt.NDArray[np.floating]) -> Array:
        """Logits of standardised features (n, inputs), shape (n,)."""
        values = inputs.astype(np.float32)
        for number, (matrix, bias) in enumerate(self.layers):
            values = values @ matrix.T + bias
            if number + 1 < len(self.layers):
                values = np.maximum(values, 0.0)
        return values[:, 0].astype(np.float64)


def fit_perceptrons(
    inputs: Array, stress: Array, weights: Array, settings: PerceptronSettings, seed: int
) -> tuple[Perceptron, ...]:
    """Fit several from different starts.

    Args:
        inputs: shape (n, inputs), standardised, 0 where missing.
        stress: shape (n,), 0 or 1.
        weights: shape (n,), of the windows.
        settings: see `PerceptronSettings`.
        seed: of the first.
    """
    from emostress_ros.training.physiology.perceptron_fit import fit_layers

    return tuple(
        Perceptron(fit_layers(inputs, stress, weights, settings, seed + k))
        for k in range(settings.count)
    )
