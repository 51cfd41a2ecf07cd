"""Where torch is not: the predictor needs NumPy, Pillow and ONNX Runtime, the command little more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.image.read import read_mask
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from tests.runtime.test_predictor import picture

#: What a predictor must not need: everything else that samhq or its tests depend on.
REST = [
    *("torch", "torchvision", "scipy", "cv2", "huggingface_hub", "safetensors", "jaxtyping", "tqdm", "cyclopts"),
    *("pycocotools", "transformers", "onnx", "onnxscript", "pandas", "sympy", "beartype", "rasterio", "supervision"),
]
#: The command also reads its flags, and writes masks as RLE.
NEEDED_BY_COMMAND = ["cyclopts", "pycocotools"]
ABSENT = "import sys\nfor name in {absent!r}:\n    sys.modules[name] = None  # importing it raises\n"


def without(absent: list[str], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python where these packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", ABSENT.format(absent=absent) + code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_torch_is_absent(tmp_path: Path) -> None:
    done = without(REST, "import samhq.model.sam", tmp_path)
    assert done.returncode == 1
    assert "ModuleNotFoundError: import of torch halted" in done.stderr


def test_the_predictor_needs_three_packages(hq_folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "picture.npy", picture())
    code = f"""
import numpy as np
from samhq.runtime import OnnxPredictor, OnnxSegmenter
predictor = OnnxPredictor({str(hq_folder)!r}, providers="cpu")
predictor.set_image(np.load("picture.npy"))
masks, scores, logits = predictor.predict(np.array([[20, 30]]), np.array([1]), box=np.array([5, 4, 40, 30]))
full, _, _ = predictor.predict(mask_input=logits, return_logits=True)
result = OnnxSegmenter({str(hq_folder)!r}).segment(np.load("picture.npy"), points=[[20, 30]], mask=masks[0])
np.savez("answers.npz", masks=masks, scores=scores, low=result.low_res_logits, overlay=result.overlay())
import sys
outside = {{name.split(".")[0] for name, module in sys.modules.items()
           if "site-packages" in (getattr(module, "__file__", None) or "")}}
print(sorted(name for name in outside if not name.startswith("_")))
"""
    done = without(REST, code, tmp_path)
    assert done.returncode == 0, done.stderr
    named = set(eval(done.stdout))
    # What NumPy, Pillow and ONNX Runtime bring along themselves.
    assert named <= {"PIL", "numpy", "onnxruntime", "packaging", "coloredlogs", "flatbuffers", "google", "samhq"}
    answers = np.load(tmp_path / "answers.npz")
    assert answers["masks"].shape == (1, 45, 70)
    assert answers["overlay"].shape == (45, 70, 3)


def test_the_command_segments_without_torch(hq_folder: Path, hq: Sam, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    absent = [name for name in REST if name not in NEEDED_BY_COMMAND]
    flags = ["--point", "20,30", "--box", "5,4,40,30", "--cutout"]
    line = ["segment", "photo.png", *flags, "--model", str(hq_folder), "--output", "out"]
    done = without(absent, f"from samhq.cli.main import main\nsys.exit(main({line!r}))", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 mask, score" in done.stdout
    expected = Segmenter(hq).segment(picture(), points=[[20, 30]], box=[5, 4, 40, 30])
    mask = read_mask(tmp_path / "out" / "photo_mask_0.png")
    assert (mask != expected.masks[0]).mean() < 1e-3
    record = json.loads((tmp_path / "out" / "photo.json").read_text())
    assert record["model"] == "tiny_hq"
    assert record["annotations"][0]["predicted_iou"] == pytest.approx(float(expected.scores[0]), abs=1e-5)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "photo_mask_0.png",
        "photo_overlay.jpg",
        "photo_cutout_0.png",
        "photo.json",
    }
