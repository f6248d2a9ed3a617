"""The one place where TensorFlow is imported, and what keeps it quiet and on the CPU.

TensorFlow reads its environment when its library is loaded, so that has to be set before the import. Some of
its messages (`fully_quantize: 0, inference_type: 6`) are written straight to file descriptor 2 whatever the
log level says; `quiet` covers those.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from edgeml_runtime.errors import MissingDependencyError

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    # oneDNN's reordered sums differ between CPUs; the oracle has to be the same on all of them.
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
_stderr_lock = threading.RLock()


def import_tensorflow() -> Any:
    """The `tensorflow` module; raises MissingDependencyError with the pip line."""
    if "tensorflow" not in sys.modules:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
    try:
        with quiet():
            import tensorflow
    except ImportError as error:
        raise MissingDependencyError(
            f"Keras models and TFLite files need TensorFlow ({error}); pip install 'edgeml-converters[keras]'"
        ) from error
    return tensorflow


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what TensorFlow writes to stderr, logs below errors and warns of, within the block.

    Errors are not lost: they come as exceptions.
    """
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    with _stderr_lock, _stderr_discarded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # the process was started with stderr closed: nothing to discard
        yield
        return
    try:
        with open(os.devnull, "wb") as sink:  # noqa: PTH123 - a descriptor, not a path, is what matters
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
