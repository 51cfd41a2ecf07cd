# %% [markdown]
# # Everything in a picture
#
# A grid of points is decoded, and masks that are sure, stable and new are kept: segment-anything's automatic mask generation.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import matplotlib.pyplot as plt
import numpy as np
import samhq
from skimage import data

model = samhq.load()
found = samhq.segment_everything(data.coins(), model, points_per_side=14)
found.plot()
found

# %% [markdown]
# ## Filter without decoding again
#
# Thresholds can become stricter afterwards. Areas and boxes are arrays, so any other rule is one line.

# %%
strict = found.filter(pred_iou_thresh=0.6, stability_score_thresh=0.85)
coin_sized = [number for number in range(len(found)) if 500 < found.areas[number] < 6000]
print(len(found), "masks,", len(strict), "with stricter thresholds,", len(coin_sized), "of a coin's size")

# %% [markdown]
# ## A label map
#
# One number for each pixel; where masks overlap, the smallest wins. This is what scikit-image's `regionprops` takes.

# %%
numbers = found.label_map()
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.imshow(numbers, cmap="nipy_spectral")
right.hist(np.sqrt(4 * found.areas[coin_sized] / np.pi), bins=10)
right.set_xlabel("diameter in pixels")
left.set_axis_off()

# %% [markdown]
# ## Records
#
# The dicts of segment-anything, each unpacked when it is read; or flat rows for a table.

# %%
print({key: value for key, value in found[0].items() if key != "segmentation"})
print(found.to_records()[0])

# %% [markdown]
# ## Files
#
# The files of `amg.py`, and a record that can be read and filtered later without a model.

# %%
written = found.save("out", "coins", labels=True)
again = samhq.load_everything("out/coins.json", data.coins())
print(len(written), "files;", len(again.filter(min_mask_region_area=50)), "masks read back")

# %% [markdown]
# For pictures with many small things, `crop_n_layers=1` looks at crops too; for huge ones there is `samhq.segment_mosaic`.
