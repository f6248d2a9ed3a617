"""A pass over frozen TensorFlow graphs: operators that a target lacks, said with those that it has.

    function --freeze--> ConstantGraph --operator by operator--> function without them

Every way from Keras ends in a graph of operators, of Keras 3, of tf-keras and of SavedModels alike: what is
mended here is mended for all of them. Called functions are inlined on the way, bodies of loops are rewritten
as the graph is, and private attributes (of gradients, of XLA) are left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeml_converters.tensorflow_graph import CALLS, TensorFunction, freeze
from edgeml_converters.tensorflow_import import import_tensorflow
from edgeml_runtime.signature import Signature

# (tensorflow, node as it stands, its inputs in the new graph) -> its outputs, or None to keep the node.
Rule = Callable[[Any, Any, Sequence[Any]], "Sequence[Any] | None"]

_BODIES = {
    "While": ("cond", "body"),
    "StatelessWhile": ("cond", "body"),
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
}


def rewritten(function: TensorFunction, signature: Signature, rules: Mapping[str, Rule]) -> TensorFunction:
    """`function` with those operators replaced; it is frozen once, here.

    Raises what `freeze` raises.
    """
    frozen = freeze(function, signature)
    library = {item.signature.name: item for item in frozen.graph.library.function}

    def rebuilt(tensors: Mapping[str, Any]) -> dict[str, Any]:
        fed = {
            name.partition(":")[0]: tensors[spec.name]
            for name, spec in zip(frozen.inputs, signature.inputs, strict=True)
        }
        results = _Pass(import_tensorflow(), rules, library).run(frozen.graph, fed, frozen.outputs)
        return {spec.name: value for spec, value in zip(signature.outputs, results, strict=True)}

    return rebuilt


class _Pass:
    """One traversal into the graph that is being traced."""

    def __init__(self, tf: Any, rules: Mapping[str, Rule], library: Mapping[str, Any]) -> None:
        self.tf, self.rules, self.library = tf, rules, library

    def run(self, graph: Any, fed: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        """The tensors of those names (`node:port`), where nodes of `fed` have one value each."""
        nodes = {node.name: node for node in graph.node}
        made: dict[str, Sequence[Any]] = {name: [value] for name, value in fed.items()}
        pending = [_split(name)[0] for name in reversed(wanted)]
        while pending:
            name = pending[-1]
            if name in made:
                pending.pop()
                continue
            # Control inputs are those of checks, which no target has.
            sources = [_split(source) for source in nodes[name].input if not source.startswith("^")]
            missing = [source for source, _ in sources if source not in made]
            if missing:
                pending += missing
                continue
            made[pending.pop()] = self._make(nodes[name], [made[source][port] for source, port in sources])
        return [made[name][port] for name, port in map(_split, wanted)]

    def _make(self, node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        if node.op in CALLS:
            return self._inline(node.attr["f"].func.name, inputs)
        rule = self.rules.get(node.op)
        results = None if rule is None else rule(self.tf, node, inputs)
        return self._copy(node, inputs) if results is None else results

    def _copy(self, node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        attributes = {key: value for key, value in node.attr.items() if not key.startswith("_")}
        for key in _BODIES.get(node.op, ()):
            taken = inputs[1:] if node.op in ("If", "StatelessIf") else inputs
            attributes[key] = self._body(node.attr[key].func.name, taken)
        graph = self.tf.compat.v1.get_default_graph()
        made: Sequence[Any] = graph.create_op(node.op, inputs, attrs=attributes, name=node.name).outputs
        return made

    def _inline(self, name: str, inputs: Sequence[Any]) -> Sequence[Any]:
        graph, arguments, results = self._function(name)
        return self.run(graph, dict(zip(arguments, inputs, strict=True)), results)

    def _function(self, name: str) -> tuple[Any, list[str], list[str]]:
        """The graph of a library function, its arguments' nodes and its results."""
        from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

        definition = self.library[name]
        graph, flat = function_def_to_graph_def(definition)
        arguments = [argument.name for argument in definition.signature.input_arg]
        results = [flat[definition.ret[result.name]] for result in definition.signature.output_arg]
        return graph, arguments, results

    def _body(self, name: str, inputs: Sequence[Any]) -> Any:
        """A function attribute: that library function, rewritten, for those arguments."""
        tf = self.tf
        graph, arguments, results = self._function(name)
        held = {node.name: node for node in graph.node}
        specs = []
        for argument, value in zip(arguments, inputs, strict=True):
            shape = tf.TensorShape(held[argument].attr["shape"].shape)
            # What was a variable is declared as the scalar handle that it was.
            fits = shape.is_compatible_with(value.shape)
            specs.append(tf.TensorSpec(shape if fits else value.shape, value.dtype))

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def body(*tensors: Any) -> list[Any]:
            # tf2onnx puts bodies into the graph around them by name.
            with tf.name_scope(name.lstrip("_")):
                return self.run(graph, dict(zip(arguments, tensors, strict=True)), results)

        concrete = body.get_concrete_function(*specs)
        concrete.add_to_graph(tf.compat.v1.get_default_graph())
        attribute = tf.compat.v1.AttrValue()
        attribute.func.name = concrete.name
        return attribute


def _split(name: str) -> tuple[str, int]:
    node, _, port = name.partition(":")
    return node, int(port or 0)
