# %% [markdown]
# # HQ against SAM
#
# SAM-HQ paints a second mask from finer features and adds it to SAM's. Here both come from the same weights, those of the starter, so
# only the HQ branch differs. The scenes are drawn, so their masks are exact.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import matplotlib.pyplot as plt
import numpy as np
import samhq

model = samhq.load()
scenes = samhq.open_dataset("scenes:4:thin")
result = samhq.evaluate(model, scenes, prompts=["box"], hq=["off", "add", "only"])
print(result.table())

# %% [markdown]
# Four pictures say little about a model: the [card of the starter](../docs/starter.md#hq-on-and-off) has the measured gain. What to take away is
# the call. On your own data set it tells you which mode to use.
#
# ## Where the masks differ
#
# Left: the true mask. Middle and right: blue is right, orange is too much, black is missing.

# %%
sample = scenes[1]
number = max(sample.objects, key=lambda one: sample.masks[one].sum())
truth = sample.masks[number]
rows, columns = np.nonzero(truth)
box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
encoded = model.encode(sample.image)


def compared(mask):
    """The picture in grey, coloured where the mask and the truth agree or not."""
    shown = np.repeat(sample.image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8) // 2 + 120
    shown[mask & truth], shown[mask & ~truth], shown[~mask & truth] = (86, 180, 233), (230, 159, 0), (0, 0, 0)
    return shown


figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
axes[0].imshow(np.where(truth[..., None], sample.image, sample.image // 4))
axes[0].set_title("truth")
for axis, hq in zip(axes[1:], ("off", "add")):
    mask = model.segment(encoded, box=box, hq=hq).masks[0]
    axis.imshow(compared(mask))
    axis.set_title(f"hq={hq!r}: IoU {(mask & truth).sum() / (mask | truth).sum():.2f}")
for axis in axes:
    axis.set_axis_off()
