"""The exceptions that emostress_ros raises on purpose.

Everything derives from :class:`EmostressError`, so that a caller can catch "our" errors and let
programming errors through.  Each message names what came and what is allowed.
"""

from __future__ import annotations


class EmostressError(Exception):
    """Base class of every error that this package raises on purpose."""


class ParameterError(EmostressError, ValueError):
    """A parameter has a wrong type, lies outside its bounds, or is not known."""


class SignalError(EmostressError, ValueError):
    """A sample, image, waveform or text cannot be used (shape, encoding, unit, NaN, rate)."""


class StampError(EmostressError, ValueError):
    """A time stamp is impossible: negative, or a window that ends before it begins."""


class ModelError(EmostressError):
    """A model cannot be used."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """A model folder, model file or the pip package that brings it is not there."""


class ModelCorruptError(ModelError):
    """A model file does not match its card: wrong hash, not ONNX, wrong inputs or outputs."""


class CardError(ModelError, ValueError):
    """A ``model.yaml`` lacks a key, or holds a value that is not allowed."""


class ProviderError(ModelError):
    """An execution provider cannot be used on this machine, or not for this model; says why."""


class DatasetError(EmostressError, ValueError):
    """A data set is missing, incomplete, or not in its official layout."""


class TrainingError(EmostressError, RuntimeError):
    """A training cannot go on: its loss is no number any more."""


class MetricsError(EmostressError, ValueError):
    """A figure cannot be computed: no items, or labels and predictions that do not fit."""


class MediaError(EmostressError, ValueError):
    """A video, sound file, wearable recording or transcript cannot be read."""


class BagError(EmostressError, ValueError):
    """A bag cannot be read or written."""


class RuleError(EmostressError, ValueError):
    """A behaviour rule is malformed."""


class ConsentError(EmostressError, PermissionError):
    """An operation needs a consent that the person has not given."""


class StoreError(EmostressError, OSError):
    """What is kept of people cannot be read or written."""


class GraphError(EmostressError, RuntimeError):
    """The node graph did not come up, or a node died."""


class MissingExtraError(EmostressError, ImportError):
    """An optional dependency is missing; the message names the ``pip install`` that mends it."""
