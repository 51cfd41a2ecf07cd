"""An encoder's matrices as int8: a quarter of the space, products in whole numbers.

Source: onnxruntime.quantization, dynamic quantisation.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from samhq.runtime.about import About


def quantise(path: Path, about: About) -> None:
    """Rewrites a float32 graph in place: matrices times a constant in int8, a scale for each output channel.

    What those are multiplied with is quantised as it comes. Products of two computed matrices (attention), norms
    and convolutions stay float32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    beside = path.with_name(f"{path.name}.data")
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it advises a preparation that changes nothing here
    # In a folder of its own: beside the float32 weights it would write after them, into their file.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".int8-") as scratch:
        made = Path(scratch) / path.name
        try:
            quantize_dynamic(
                path,
                made,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=beside.exists(),
            )
        finally:
            logging.getLogger().setLevel(level)
        beside.unlink(missing_ok=True)
        for part in Path(scratch).iterdir():
            os.replace(part, path.with_name(part.name))
    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, about.to_metadata())
    onnx.save(model, path)
