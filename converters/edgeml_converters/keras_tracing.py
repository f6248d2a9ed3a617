"""Keras models as they are traced for conversion: what a layer does to Python objects is put aside.

Within `tracing(model)` random seeds are constants, lookup tables are comparisons with their keys, and
TimeDistributed calls its layer once on all time steps; behind it the model is what it was.

Seeds: layers that are random in training advance their generator at inference too, without using what it
gives. Frozen graphs have no variables to assign to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from edgeml_converters.sources.keras_interface import family_of, walk
from edgeml_converters.tensorflow_import import import_tensorflow


@contextlib.contextmanager
def replaced(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Attributes of objects, (owner, name, value), within the block; owners are left as they were."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


@contextlib.contextmanager
def tracing(model: Any) -> Iterator[None]:
    """The block traces `model`, a Keras model or anything else."""
    changes: list[tuple[Any, str, Any]] = []
    if family_of(model) == "keras":
        from keras.layers import TimeDistributed
        from keras.random import SeedGenerator

        changes += [
            (SeedGenerator, "next", lambda generator, ordered=True: generator.state.value * 1),
            (TimeDistributed, "call", _on_all_steps(TimeDistributed.call)),
        ]
    changes += [
        (layer, "lookup_table", _Table(layer.lookup_table))
        for _, layer in walk(model)
        if type(layer).__name__ == "IntegerLookup"
    ]
    with replaced(changes):
        yield


def _on_all_steps(original: Any) -> Any:
    """Time steps as rows of one batch: Keras calls the layer for each step, and loops over unknown ones."""

    def call(wrapper: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        tf, layer = import_tensorflow(), wrapper.layer
        if isinstance(inputs, (list, tuple, dict)) or (mask is not None and layer._call_has_mask_arg):
            return original(wrapper, inputs, training=training, mask=mask)
        options = {"training": training} if layer._call_has_training_arg else {}
        results = layer.call(tf.reshape(inputs, [-1, *_sizes(tf, inputs)[2:]]), **options)
        outer = [-1, *_sizes(tf, inputs)[1:2]]
        return tf.nest.map_structure(lambda y: tf.reshape(y, [*outer, *_sizes(tf, y)[1:]]), results)

    return call


def _sizes(tf: Any, x: Any) -> list[Any]:
    shape = tf.shape(x)
    return [shape[axis] if size is None else size for axis, size in enumerate(x.shape.as_list())]


class _Table:
    """A lookup table of integers in arithmetic: the place of the equal key, the default where none is."""

    def __init__(self, table: Any) -> None:
        keys, values = table.export()
        self._keys, self._values, self._default = keys.numpy(), values.numpy(), table.default_value.numpy()

    def size(self) -> Any:
        return import_tensorflow().constant(len(self._keys), "int64")

    def lookup(self, inputs: Any) -> Any:
        """int64 of the inputs' shape."""
        tf = import_tensorflow()
        # int32 numbers compare in every engine; ids of 64 bits stay as they are.
        equal = tf.equal(tf.expand_dims(inputs, -1), self._keys)
        found = tf.gather(self._values, tf.argmax(tf.cast(equal, tf.int32), axis=-1))
        return tf.where(tf.reduce_any(equal, axis=-1), found, self._default)
