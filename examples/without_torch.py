"""Exports a model to ONNX, and segments with the files in a process that never imports torch.

python examples/without_torch.py --output out
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import samhq
from samhq.cli.main import main as samhq_command

#: What runs in the second process. Only NumPy, Pillow and onnxruntime are imported.
PREDICT = """
import sys
import numpy as np
from PIL import Image
from samhq.runtime import OnnxPredictor

picture, exported, output = sys.argv[1:]
image = np.asarray(Image.open(picture))
predictor = OnnxPredictor(exported)
predictor.set_image(image)
masks, scores, _ = predictor.predict(box=[172, 17, 410, 209])
Image.fromarray(masks[0]).save(output)
print(f"predicted IoU {scores[0]:.2f}, torch imported: {'torch' in sys.modules}")
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports, predicts, compares with torch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None)
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    exported, mask = args.output / "exported", args.output / "mask.png"
    named = [args.model] if args.model else []
    if samhq_command(["export", *named, "--output", str(exported)]):
        raise SystemExit("The export failed.")
    subprocess.run([sys.executable, "-c", PREDICT, samhq.sample_picture(), exported, mask], check=True)
    for path in sorted(exported.glob("*.onnx")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
