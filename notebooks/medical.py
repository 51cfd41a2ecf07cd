# %% [markdown]
# # Medical pictures: a checkpoint of MedSAM's layout, and tuning with boxes
#
# MedSAM is a SAM ViT-B that was tuned on medical pictures and takes boxes. Its weights are **not** part of samhq and were not at hand
# here. So this notebook shows two things:
#
# 1. A file of MedSAM's layout loads. It holds random weights, so it segments nothing.
# 2. The starter learns from boxes, as MedSAM did. It learns on drawn X-rays.
#
# samhq is not a medical device, and nobody has measured it on patients.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import samhq
import torch
from PIL import Image
from pycocotools import mask as rle

# %% [markdown]
# ## The layout
#
# MedSAM's training script saves `{"model": ..., "optimizer": ..., "epoch": ...}` with the names of SAM's original file. `samhq info` says
# what is in it, and `samhq.load` reads it. With the published `medsam_vit_b.pth` you need only `samhq.load("medsam_vit_b.pth")`.

# %%
torch.manual_seed(0)
stand_in = samhq.sam_model_registry_baseline["vit_b"]()  # a plain SAM ViT-B, untrained
torch.save({"model": stand_in.state_dict(), "optimizer": {}, "epoch": 3}, "medsam_style.pth")
del stand_in
said = subprocess.run([sys.executable, "-m", "samhq", "info", "medsam_style.pth"], capture_output=True, text=True)
print(said.stdout)
medsam = samhq.load("medsam_style.pth")
medsam

# %% [markdown]
# ## Pictures: two lungs, drawn


# %%
def draw(seed, side=256):
    """A chest X-ray, drawn, and the masks of the two lungs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    picture = 150 - 60 * np.hypot(x - 0.5, y - 0.5) + random.normal(0, 9, (side, side))
    picture += 14 * np.sin(y * 60 + np.abs(x - 0.5) * 12)  # ribs
    masks = []
    for centre in (0.3, 0.7):
        shift, height, width = random.uniform(-0.03, 0.03), random.uniform(0.26, 0.34), random.uniform(0.11, 0.15)
        lung = ((x - centre - shift) / width) ** 2 + ((y - 0.5) / height) ** 2 < 1
        lung &= np.hypot(x - 0.52, y - 0.66) > 0.16  # the heart covers a part
        picture[lung] -= 38
        masks.append(lung)
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), masks


def write_coco(name, seeds):
    """A COCO file and its pictures in a folder."""
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    images, annotations = [], []
    for seed in seeds:
        picture, masks = draw(seed)
        Image.fromarray(picture).save(folder / f"{seed}.png")
        images.append({"id": seed, "file_name": f"{seed}.png", "height": 256, "width": 256})
        for mask in masks:
            packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
            area, box = int(rle.area(packed)), rle.toBbox(packed).tolist()
            packed["counts"] = packed["counts"].decode()
            number = len(annotations) + 1
            record = {"id": number, "image_id": seed, "category_id": 1, "segmentation": packed, "area": area, "bbox": box}
            annotations.append(record | {"iscrowd": 0})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "lung"}]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder / "annotations.json"


# %% [markdown]
# ## Tune with boxes
#
# Each object gets one box, moved at random by a few pixels. Only the decoder learns, which takes a minute. `what="all"` tunes the encoder
# too; use it with many pictures and a GPU.

# %%
trained = samhq.train(
    samhq.TrainConfig(
        data=write_coco("train", range(1, 13)),
        validation=write_coco("val", range(101, 105)),
        output="run",
        epochs=3,
        batch=2,
        kinds="box",
        learning_rate=1e-3,
        scale=(0.9, 1.1),
        correct=0.0,
        cache="features",
        copies=2,
        workers=0,
    )
)
for name in ("box iou", "box boundary_iou"):
    print(f"{name:18} {trained.before[name]:.3f} -> {trained.after[name]:.3f}")

# %% [markdown]
# ## A picture it has not seen

# %%
picture, masks = draw(200)
boxes = []
for mask in masks:
    rows, columns = np.nonzero(mask)
    boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
figure, axes = plt.subplots(1, 2, figsize=(8, 4))
for axis, name, model in zip(axes, ("before", "after"), (samhq.load(), samhq.load(trained.best))):
    result = model.segment(picture, boxes=boxes)
    result.plot(axis)
    overlaps = [(one & mask).sum() / (one | mask).sum() for one, mask in zip(result.masks, masks)]
    axis.set_title(f"{name}: IoU {np.mean(overlaps):.2f}")

# %% [markdown]
# For real data, read DICOM and NIfTI slices with `pydicom` or `nibabel`. samhq takes the arrays: 8 bits, 16 bits, or floats in 0..1.
# Choose the window (level and width) first, as a radiologist would. More: [training](../docs/training.md).
