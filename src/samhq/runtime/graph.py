"""One ONNX file ready to run, by ONNX Runtime or by OpenVINO. Knows nothing of what the graphs compute.

Both are imported when a file is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from samhq.errors import CheckpointError, ConfigError, did_you_mean
from samhq.extras import from_extra
from samhq.runtime.seal import check_seal
from samhq.threads import waiting_threads_sleep

#: OpenVINO's precision; ONNX Runtime computes in the file's.
Precision = Literal["float32", "bfloat16"]

#: Short names of ONNX Runtime's execution providers.
_SHORT = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
OPENVINO = "openvino"


@runtime_checkable
class Graph(Protocol):
    """An opened file: its description, and its computation."""

    metadata: Mapping[str, str]
    inputs: Sequence[str]

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        ...


def open_graph(path: Path, providers: str | Sequence[str] | None = None, precision: Precision = "float32") -> Graph:
    """The graph in a file.

    `providers` are ONNX Runtime's execution providers by preference, by their own names or as "cpu", "cuda",
    "tensorrt", "coreml", "directml"; None means CUDA if there is one, else the CPU. "openvino" means OpenVINO's own
    runtime on the CPU, and "openvino:GPU" another of its devices. `precision` "bfloat16" is for OpenVINO, on hardware
    that has it.

    Raises:
        ConfigError: a provider, device or precision that this machine does not have.
        CheckpointError: no such file, not an ONNX file, or one whose bytes changed since it was exported.
        MissingExtraError: the runtime is not installed.
    """
    if not path.is_file():
        raise CheckpointError(f"Expected an exported model's file at {path}, got none. Make it with `samhq export`.")
    check_seal(path)
    names = [providers] if isinstance(providers, str) else list(providers or ())
    if names and names[0].split(":")[0] == OPENVINO:
        if len(names) > 1:
            raise ConfigError(f"Expected {names[0]} alone, got it with {', '.join(names[1:])}. Leave those out.")
        return _OpenVino(path, names[0].partition(":")[2] or "CPU", precision)
    if precision != "float32":
        raise ConfigError(
            f"Expected float32 with ONNX Runtime, got {precision}: it computes as the file was exported. "
            f'Use providers="{OPENVINO}" for bfloat16.'
        )
    return _OnnxRuntime(path, names)


class _OnnxRuntime:
    """A session of ONNX Runtime."""

    def __init__(self, path: Path, providers: Sequence[str]) -> None:
        runtime = _onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # Warnings about kernels are not for users.
        options.intra_op_num_threads = _threads()
        if waiting_threads_sleep():
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        damage: tuple[type[Exception], ...] = (*_failures(runtime), UnicodeError)
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=_providers(runtime, providers))
            self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
            self.inputs: Sequence[str] = [graph_input.name for graph_input in self._session.get_inputs()]
            self._outputs = [output.name for output in self._session.get_outputs()]
        except damage as error:  # Names and texts of damaged files may be bytes that are not text.
            raise _unreadable(path, error) from error
        self._path, self._failures = path, _failures(runtime)

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return dict(zip(self._outputs, self._session.run(None, dict(feeds)), strict=True))
        except self._failures as error:
            raise _unreadable(self._path, error) from error


def _onnxruntime() -> Any:
    with from_extra("onnx", "an exported model"):
        import onnxruntime
    return onnxruntime


def _failures(runtime: Any) -> tuple[type[Exception], ...]:
    """Errors of ONNX Runtime for files that it cannot load."""
    state = runtime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "InvalidArgument", "RuntimeException")
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


def _providers(runtime: Any, requested: Sequence[str]) -> list[str]:
    available = runtime.get_available_providers()
    if not requested:
        return [name for name in (_SHORT["cuda"], _SHORT["cpu"]) if name in available]
    names = [_SHORT.get(name, name) for name in requested]
    for name in names:
        if name not in available:
            known = [*available, *(short for short, long in _SHORT.items() if long in available), OPENVINO]
            raise ConfigError(
                f"Expected an execution provider of this machine, got {name}. {did_you_mean(name, known)}"
            )
    return names


def _threads() -> int:
    """The number in OMP_NUM_THREADS, which other libraries obey, too; 0, all cores, if it is not set."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(first) if first.isdecimal() else 0


class _OpenVino:
    """A model compiled by OpenVINO."""

    def __init__(self, path: Path, device: str, precision: Precision) -> None:
        core = _openvino()
        self._check_device(core, device, precision)
        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        try:
            model = core.read_model(str(path))
            settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": _threads()}
            self._compiled = core.compile_model(model, device, settings if device == "CPU" else {})
            self.metadata = _metadata(model)
            self.inputs: Sequence[str] = [graph_input.any_name for graph_input in model.inputs]
        except (RuntimeError, UnicodeError) as error:
            raise _unreadable(path, error) from error

    def _check_device(self, core: Any, device: str, precision: Precision) -> None:
        if device not in core.available_devices:
            known = did_you_mean(device, core.available_devices)
            raise ConfigError(f"Expected a device of OpenVINO on this machine, got {device}. {known}")
        if precision == "bfloat16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            raise ConfigError(
                f"Expected a {device} with bfloat16 instructions, got one without. Leave the precision at float32."
            )

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = self._compiled(dict(feeds), share_inputs=True)
        return {output.any_name: np.array(outputs[output]) for output in self._compiled.outputs}


@cache
def _openvino() -> Any:
    """The only OpenVINO of this process. It is never unloaded.

    Its CPU plug-in sets a signal stack for the thread when it is loaded, and restores the old one when it is unloaded.
    With two plug-ins the second would restore the freed stack of the first, and the next signal would write into
    memory that belongs to others.
    """
    with from_extra("openvino", "an exported model in OpenVINO"):
        import openvino
    return openvino.Core()


def _metadata(model: Any) -> Mapping[str, str]:
    """The file's own text by name, which OpenVINO keeps under the framework's name."""
    info = model.get_rt_info()
    framework = info["framework"] if "framework" in info else {}  # noqa: SIM401 - OpenVINO's maps have no get
    return {str(name): str(value.value) for name, value in framework.items()}


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    lines = str(error).strip().splitlines()
    reason = lines[0][:200] if lines else type(error).__name__
    return CheckpointError(f"Expected an ONNX file that this runtime reads at {path}, got: {reason} Export it again.")
