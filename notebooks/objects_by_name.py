# %% [markdown]
# # Objects by name
#
# A detector finds boxes for class names, and the segmentation model makes a mask of each. The weights of detectors such as Grounding DINO
# are **not** part of samhq, and this notebook runs without network. So two stand-ins are used here: a detector of a few lines, and boxes from a
# file. With network the detector's name is enough: `model.segment("photo.jpg", text=["cup", "red car"])`.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import json

import matplotlib.pyplot as plt
import numpy as np
import samhq
from scipy import ndimage
from skimage import data

model = samhq.load()
picture = np.stack([data.coins()] * 3, axis=-1)

# %% [markdown]
# ## Any function of a picture is a detector
#
# It returns boxes, scores and class names. This one calls bright regions of a coin's size coins, and large ones "large coin".


# %%
def detect(image):
    """Boxes of bright regions."""
    bright = ndimage.binary_opening(ndimage.gaussian_filter(image[..., 0].astype(float), 3) > 115, iterations=4)
    regions, _ = ndimage.label(bright)
    boxes, scores, labels = [], [], []
    for rows, columns in ndimage.find_objects(regions):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if 20 < height < 90 and 20 < width < 90:
            boxes.append([columns.start - 3, rows.start - 3, columns.stop + 3, rows.stop + 3])
            scores.append(min(1.0, height / width, width / height))
            labels.append("large coin" if max(height, width) > 48 else "coin")
    return {"boxes": np.clip(boxes, 0, None), "scores": scores, "labels": labels}


found = model.segment(picture, text=["coin", "large coin"], detector=detect, threshold=0.6)
print({name: found.labels.count(name) for name in ("coin", "large coin")})
found.plot();

# %% [markdown]
# Classes go with the masks, into tables and into every file that `samhq write` makes.

# %%
for row in found.to_records()[:3]:
    print({key: row[key] for key in ("label", "detector_score", "score", "area")})

# %% [markdown]
# ## Another threshold, without a second search

# %%
strict = samhq.Selection(threshold=0.9).apply(found.detections)
print(len(found.detections), "found,", len(found), "above 0.6,", len(strict), "above 0.9")

# %% [markdown]
# ## Boxes from a file
#
# What another program found, in COCO's form, works in place of a detector: here and in `samhq segment --text ... --detector boxes.json`.

# %%
boxes = [
    {"image_id": 1, "category_id": 1, "bbox": [172, 17, 238, 192], "score": 0.9},
    {"image_id": 1, "category_id": 2, "bbox": [326, 200, 81, 126], "score": 0.8},
]
with open("boxes.json", "w") as file:
    json.dump(
        {
            "images": [{"id": 1, "file_name": samhq.sample_picture().name, "height": 400, "width": 600}],
            "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "spoon"}],
            "annotations": boxes,
        },
        file,
    )
named = model.segment(samhq.sample_picture(), text=["cup", "spoon"], detector="boxes.json")
named.plot()
print(named.labels)
