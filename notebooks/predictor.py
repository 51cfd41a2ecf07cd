# %% [markdown]
# # Clicks, boxes and batches
#
# One model, several ways to say what you want. The pictures come with samhq and scikit-image.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import matplotlib.pyplot as plt
import numpy as np
import samhq
from skimage import data

model = samhq.load()  # the starter, part of the package
model

# %% [markdown]
# ## A box
#
# `(x0, y0, x1, y1)` in pixels of the picture. The title shows the predicted IoU.

# %%
picture = model.encode(samhq.sample_picture())  # the slow part, once a picture
cup = model.segment(picture, box=[172, 17, 410, 209])
cup.plot();

# %% [markdown]
# ## Clicks
#
# A single click can mean a part, the object or a group. `multimask=True` shows all three answers, best first.

# %%
three = model.segment(picture, points=[[365, 285]], multimask=True)
figure, axes = plt.subplots(1, 3, figsize=(10, 2.6))
for axis, mask, score in zip(axes, three.candidates[0], three.candidate_scores[0]):
    axis.imshow(np.where(mask[..., None], three.image, three.image // 4))
    axis.set_title(f"{score:.2f}")
    axis.set_axis_off()

# %% [markdown]
# A second click with label 0 says what is *not* meant, and the last logits carry the first answer on.

# %%
first = model.segment(picture, points=[[285, 150]])
second = model.segment(
    picture,
    points=[[285, 150], [240, 60], [520, 380]],
    labels=[1, 1, 0],
    mask=first.low_res_logits[0, 0],
)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
first.plot(left)
second.plot(right);

# %% [markdown]
# ## Many objects of one picture
#
# Prompts of any kind go together, with class names if you have them. Each mask is the same as in a call of its own.

# %%
objects = model.segment(
    picture,
    prompts=[
        samhq.Prompt(box=[172, 17, 410, 209], label="cup"),
        samhq.Prompt(box=[326, 200, 407, 326], label="spoon"),
        samhq.Prompt(points=[[180, 330], [420, 330]], labels=[1, 1], label="saucer"),
    ],
)
objects.plot();

# %% [markdown]
# Rows for a table; `pandas.DataFrame(objects.to_records())` takes them.

# %%
for row in objects.to_records():
    print({key: row[key] for key in ("label", "score", "area", "x0", "y0", "x1", "y1")})

# %% [markdown]
# ## Many pictures
#
# Pictures may differ in size, and each may have any number of prompts.

# %%
results = model.segment_batch(
    [data.chelsea(), data.coins()],
    [
        [samhq.Prompt(points=[[230, 180]])],
        [samhq.Prompt(box=box) for box in ([20, 33, 66, 75], [76, 36, 118, 78], [131, 29, 180, 74], [20, 100, 66, 145])],
    ],
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for axis, result in zip(axes, results):
    result.plot(axis)

# %% [markdown]
# ## The interface of segment-anything
#
# The same model through the calls that your scripts already have.

# %%
predictor = samhq.SamPredictor(model.model)
predictor.set_image(np.asarray(objects.image))
masks, scores, logits = predictor.predict(box=np.array([172, 17, 410, 209]), multimask_output=False)
print(masks.shape, scores)

# %% [markdown]
# ## Save
#
# Mask pictures, an overlay, and a JSON record that `samhq write` turns into COCO, YOLO, labelme and more.

# %%
for path in objects.save("out", "coffee"):
    print(path)
