"""Keras' loop over time steps in operators that TFLite has with a free batch axis.

Keras' own loop collects its outputs in a list of tensors, whose kernels need every size. This one carries
them in a tensor that grows by a step each time round; few and known steps are unrolled, which costs about
2 KB of operators a step and leaves nothing in float under quantization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeml_converters.tensorflow_import import import_tensorflow

MAX_UNROLLED_STEPS = 128


def recurrence(original: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the place of `keras.backend.rnn`: the same arguments and results."""

    def rnn(step: Any, inputs: Any, initial_states: Sequence[Any], **options: Any) -> Any:
        nested = isinstance(inputs, (list, tuple, dict))
        # Keras' own unrolling, which is wrong for a backward layer with a mask, is what a user chose.
        if nested or options.get("time_major") or options.get("unroll"):
            return original(step, inputs, initial_states, **options)
        loop = _Loop(import_tensorflow(), step, inputs, list(initial_states), options)
        steps = inputs.shape[1]
        return loop.rolled() if steps is None or steps > MAX_UNROLLED_STEPS else loop.unrolled(steps)

    return rnn


class _Loop:
    """inputs: float32[batch, steps, ...]; `options` are those of `keras.backend.rnn`."""

    def __init__(
        self, tf: Any, step: Any, inputs: Any, states: list[Any], options: Mapping[str, Any]
    ) -> None:
        self.tf, self.step, self.inputs, self.initial = tf, step, inputs, states
        self.backwards = options.get("go_backwards", False)
        mask = options.get("mask")
        self.mask = None if mask is None else tf.cast(mask, tf.bool)
        self.constants = tuple(options.get("constants") or ())
        self.zeroed = options.get("zero_output_for_mask", False)
        self.keeps_all = options.get("return_all_outputs", True)

    def one(self, x: Any, kept: Any, before: Any, flat: Sequence[Any]) -> tuple[Any, list[Any]]:
        """A step: x [batch, ...], its mask, the output before it (None at first) and the flat states."""
        tf = self.tf
        states = tf.nest.pack_sequence_as(self.initial, list(flat))
        output, new = self.step(x, (*states, *self.constants))
        flat_new = tf.nest.flatten(new)
        if kept is None:
            return output, flat_new
        # A scalar: zeros of the output's shape would take an operator that has no integers.
        before = tf.constant(0, output.dtype) if before is None or self.zeroed else before
        return _where(tf, kept, output, before), [
            _where(tf, kept, after, old) for after, old in zip(flat_new, flat, strict=True)
        ]

    def unrolled(self, steps: int) -> tuple[Any, Any, Any]:
        tf = self.tf
        parts = tf.unstack(self.inputs, axis=1)
        masks = [None] * steps if self.mask is None else tf.unstack(self.mask, axis=1)
        output, states, outputs = None, tf.nest.flatten(self.initial), []
        for place in reversed(range(steps)) if self.backwards else range(steps):
            output, states = self.one(parts[place], masks[place], output, states)
            outputs.append(output)
        stacked = tf.stack(outputs if self.keeps_all else outputs[-1:], axis=1)
        return output, stacked, tf.nest.pack_sequence_as(self.initial, states)

    def rolled(self) -> tuple[Any, Any, Any]:
        """At least one step; the first stands before the loop, which knows its shapes from it."""
        tf = self.tf
        count = tf.shape(self.inputs)[1]

        def at(time: Any, before: Any, flat: Sequence[Any]) -> tuple[Any, list[Any]]:
            place = count - 1 - time if self.backwards else time
            kept = None if self.mask is None else tf.gather(self.mask, place, axis=1)
            return self.one(tf.gather(self.inputs, place, axis=1), kept, before, flat)

        output, states = at(tf.constant(0), None, tf.nest.flatten(self.initial))
        first = [tf.expand_dims(output, 1)] if self.keeps_all else []
        carried = [tf.constant(1), output, *first, *states]

        def body(time: Any, before: Any, *rest: Any) -> list[Any]:
            result, new = at(time, before, rest[len(first) :])
            grown = [tf.concat([rest[0], tf.expand_dims(result, 1)], axis=1)] if first else []
            return [time + 1, result, *grown, *new]

        shapes = [value.shape for value in carried]
        if first:
            shapes[2] = tf.TensorShape([output.shape[0], None, *output.shape[1:]])
        _, output, *rest = tf.while_loop(
            lambda time, *_: time < count, body, carried, shape_invariants=shapes, parallel_iterations=1
        )
        outputs = rest[0] if first else tf.expand_dims(output, 1)
        return output, outputs, tf.nest.pack_sequence_as(self.initial, rest[len(first) :])


def _where(tf: Any, kept: Any, new: Any, old: Any) -> Any:
    """`kept`: bool[batch] or bool[batch, 1]."""
    shape = [-1, *([1] * (new.shape.rank - 1))]
    return tf.where(tf.reshape(kept, shape), new, old)
