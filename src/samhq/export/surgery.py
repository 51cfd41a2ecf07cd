"""Small changes to finished ONNX graphs, by names of their values. Knows nothing of networks.

PyTorch's exporter makes graphs without branches; this adds a branch around work that is not always needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def only_if(model: Any, output: str, condition: str) -> str:
    """Computes `output` [P,1,G,G] of an `onnx.ModelProto` only if a value is true; returns the name to use instead.

    Nodes that only this output needs run if `condition` is true; otherwise the value is zeros [1,1,1,1]. The output is
    removed from the graph's outputs.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    value_info = next(value for value in graph.output if value.name == output)
    others = [value.name for value in graph.output if value.name != output]
    alone = needed_for(graph.node, [output]) - needed_for(graph.node, [*others, condition])
    moved = [node for place, node in enumerate(graph.node) if place in alone]
    kept = [node for place, node in enumerate(graph.node) if place not in alone]
    zeros = helper.make_node(
        "Constant", [], [f"{output}_none"], value=helper.make_tensor("zeros", TensorProto.FLOAT, [1, 1, 1, 1], [0.0])
    )
    none = helper.make_tensor_value_info(f"{output}_none", TensorProto.FLOAT, [1, 1, 1, 1])
    branch = helper.make_node(
        "If",
        [condition],
        [f"{output}_or_none"],
        then_branch=helper.make_graph(moved, f"{output}_wanted", [], [value_info]),
        else_branch=helper.make_graph([zeros], f"{output}_unwanted", [], [none]),
    )
    outputs = [value for value in graph.output if value.name != output]
    gone = {name for node in moved for name in node.output}
    described = [value for value in graph.value_info if value.name not in gone]
    for field, values in ((graph.node, [*kept, branch]), (graph.output, outputs), (graph.value_info, described)):
        values = [type(value).FromString(value.SerializeToString()) for value in values]  # The field owns its values.
        del field[:]
        field.extend(values)
    return f"{output}_or_none"


def needed_for(nodes: Iterable[Any], names: Iterable[str]) -> set[int]:
    """The indices of the nodes, in order of computation, that values with these `names` come from."""
    missing, places = set(names), set()
    for place, node in reversed(list(enumerate(nodes))):
        if missing & set(node.output):
            places.add(place)
            missing |= set(node.input) | captured(node)
    return places


def captured(node: Any) -> set[str]:
    """Values from outside that the branches or bodies of a node use."""
    inside = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    made = {name for graph in inside for part in graph.node for name in part.output}
    used = {name for graph in inside for part in graph.node for name in (*part.input, *captured(part))}
    return used - made


def forget_shapes(model: Any) -> None:
    """Removes the shapes of values inside an `onnx.ModelProto`'s graphs; shapes of inputs and outputs stay.

    Tools that change a graph later, such as quantisers, rely on these shapes and then contradict them.
    """
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        del graph.value_info[:]
        graphs += [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]


def separate_ends(model: Any) -> None:
    """Gives outputs that are also read inside an `onnx.ModelProto`, and inputs that a branch reads, a second name.

    Float16 converters change the type at the ends of a graph, and overlook other readers of these values.
    """
    from onnx import helper

    graph = model.graph
    captures = set().union(*map(captured, graph.node))
    reads = captures.union(*(node.input for node in graph.node))
    inputs = [value.name for value in graph.input if value.name in captures]
    outputs = [value.name for value in graph.output if value.name in reads]
    for name in (*inputs, *outputs):
        _rename(graph, name, f"{name}_inside")
    first = [helper.make_node("Identity", [name], [f"{name}_inside"], f"{name}_in") for name in inputs]
    last = [helper.make_node("Identity", [f"{name}_inside"], [name], f"{name}_out") for name in outputs]
    nodes = [type(node).FromString(node.SerializeToString()) for node in (*first, *graph.node, *last)]
    del graph.node[:]
    graph.node.extend(nodes)


def _rename(graph: Any, name: str, other: str) -> None:
    """Changes the name of a value wherever nodes read or make it, also inside branches."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [other if value == name else value for value in values]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, name, other)


def add_nodes(model: Any, nodes: Iterable[Any], inputs: Iterable[Any] = (), outputs: Iterable[Any] = ()) -> None:
    """Appends nodes that run last, with new inputs and outputs of the graph.

    Nodes without a name get that of their first output, since float16 converters make names from those of nodes.
    """
    model.graph.node.extend(nodes)
    for node in model.graph.node:
        node.name = node.name or f"make_{node.output[0]}"
    model.graph.input.extend(inputs)
    model.graph.output.extend(outputs)
