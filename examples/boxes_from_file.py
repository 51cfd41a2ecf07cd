"""A detector's boxes, from a COCO file, become masks with class names, and the masks become a YOLO data set.

python examples/boxes_from_file.py --output out

Any program that writes COCO boxes will do. With `pip install 'samhq[text]'` no file is needed:
model.segment(picture, text=["cup", "spoon"]) asks a detector that understands words.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import samhq
from samhq.cli.main import main as samhq_command

CLASSES = ["cup", "spoon"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the boxes of the sample picture, segments by class name, writes YOLO's text files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    picture = samhq.sample_picture()
    boxes = write_boxes(args.output / "boxes.json", picture.name)
    found = samhq.load().segment(picture, text=CLASSES, detector=str(boxes), threshold=0.5)
    for label, box, score in zip(found.labels, found.boxes.tolist(), found.scores.tolist(), strict=True):
        print(f"{label}: mask in {[round(side) for side in box]}, predicted IoU {score:.2f}")
    found.save(args.output / "records", picture.stem)
    records, yolo = str(args.output / "records"), str(args.output / "yolo")
    if samhq_command(["write", records, "--format", "yolo", "--output", yolo]):
        raise SystemExit("The data set was not written.")
    print(f"wrote {yolo}")


def write_boxes(path: Path, picture: str) -> Path:
    """A COCO file as detectors write it: bbox is (x, y, width, height). The last box is below the threshold."""
    rows = [(1, [172, 17, 238, 192], 0.9), (2, [326, 200, 81, 126], 0.8), (2, [20, 20, 90, 60], 0.2)]
    content = {
        "images": [{"id": 1, "file_name": picture, "height": 400, "width": 600}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": category, "bbox": box, "score": score}
            for number, (category, box, score) in enumerate(rows, 1)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
