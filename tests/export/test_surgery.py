"""A part of a graph that is asked for only sometimes is computed only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from samhq.export.surgery import add_nodes, captured, forget_shapes, needed_for, only_if, separate_ends


def graph() -> Any:
    """`kept` is x + x; `rare` [1,1,2,2] is made of it by a Reshape that fails unless x has four numbers."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 1, 2, 2])
    nodes = [
        helper.make_node("Not", ["skip"], ["wanted"]),
        helper.make_node("Add", ["x", "x"], ["kept"]),
        helper.make_node("Neg", ["kept"], ["negative"]),
        helper.make_node("Reshape", ["negative", "shape"], ["rare"]),
    ]
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "kept")}
    rare = helper.make_tensor_value_info("rare", TensorProto.FLOAT, [1, 1, 2, 2])
    skip = helper.make_tensor_value_info("skip", TensorProto.BOOL, [1])
    made = helper.make_graph(nodes, "g", [values["x"], skip], [values["kept"], rare], [shape])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def session(model: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def run(model: Any, x: list[float], skip: bool) -> list[np.ndarray]:
    return session(model).run(None, {"x": np.array(x, np.float32), "skip": np.array([skip])})


def test_what_is_not_asked_for_is_not_computed() -> None:
    model = graph()
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
        run(model, [1, 2, 3], True)
    name = only_if(model, "rare", "wanted")
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Not", "Add", "If"]
    kept, none = run(model, [1, 2, 3], True)
    assert kept.tolist() == [2, 4, 6]
    assert none.tolist() == [[[[0]]]]
    assert run(model, [1, 2, 3, 4], False)[1].tolist() == [[[[-2, -4], [-6, -8]]]]


def test_values_inside_branches_are_needed_too() -> None:
    model = graph()
    name = only_if(model, "rare", "wanted")
    branch = model.graph.node[-1]
    assert captured(branch) == {"kept", "shape"}
    assert needed_for(model.graph.node, [name]) == {0, 1, 2}
    assert needed_for(model.graph.node, ["kept"]) == {1}


def quantised(model: Any, folder: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(model, folder / "plain.onnx")
    quantize_dynamic(folder / "plain.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
    return folder / "int8.onnx"


def test_without_notes_on_shapes_a_graph_can_be_quantised(tmp_path: Path) -> None:
    """The quantizer turns the weight of a Gemm around and leaves the note on its shape."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [float(n) for n in range(6)])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("x", 2), ("y", 3)))
    note = helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2])
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    graph = helper.make_graph([node], "g", [x], [y], [weight], value_info=[note])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(Exception, match="differ"):
        quantised(model, tmp_path)
    forget_shapes(model)
    session = onnxruntime.InferenceSession(quantised(model, tmp_path))
    (found,) = session.run(None, {"x": np.array([[1, 2]], np.float32)})
    np.testing.assert_allclose(found, [[2, 8, 14]], atol=0.3)


def test_ends_that_others_read_get_a_second_name() -> None:
    model = graph()
    name = only_if(model, "rare", "wanted")
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]))
    before = [part.tolist() for part in run(model, [1, 2, 3, 4], False)]
    separate_ends(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Not", "Add", "If", "Identity"], "the branch reads `kept`"
    assert [part.tolist() for part in run(model, [1, 2, 3, 4], False)] == before
    (branch,) = [node for node in model.graph.node if node.op_type == "If"]
    assert captured(branch) == {"kept_inside", "shape"}


def test_an_input_that_only_a_branch_reads_gets_a_second_name() -> None:
    model = graph()
    model.graph.node[2].input[0] = "x"
    del model.graph.node[1]
    del model.graph.output[0]
    name = only_if(model, "rare", "wanted")
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]))
    separate_ends(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Identity", "Not", "If"]
    assert run(model, [1, 2, 3, 4], False)[0].tolist() == [[[[-1, -2], [-3, -4]]]]


def test_added_nodes_have_names_of_their_own() -> None:
    model = graph()
    source = model.graph.node[0].output[0]
    add_nodes(model, [onnx.helper.make_node("Identity", [source], [name]) for name in ("copy", "second")])
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert names[-2:] == ["make_copy", "make_second"]
