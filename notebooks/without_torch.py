# %% [markdown]
# # ONNX without torch
#
# A model becomes two files, `encoder.onnx` and `decoder.onnx`. What uses them needs NumPy, Pillow and ONNX Runtime, and never imports torch.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import subprocess
import sys
from pathlib import Path

done = subprocess.run(
    [sys.executable, "-m", "samhq", "export", "--output", "exported", "--verify"], capture_output=True, text=True, check=True
)
print(done.stdout)
for path in sorted(Path("exported").iterdir()):
    print(path.name, f"{path.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# ## Use it
#
# This notebook has not imported torch, and the last line proves it.

# %%
import numpy as np
from PIL import Image
from samhq.image.sample_picture import sample_picture
from samhq.runtime import OnnxPredictor

predictor = OnnxPredictor("exported")
image = np.asarray(Image.open(sample_picture()))
predictor.set_image(image)
masks, scores, low_res = predictor.predict(box=[172, 17, 410, 209])
print(masks.shape, scores, "torch imported:", "torch" in sys.modules)

# %%
import matplotlib.pyplot as plt

plt.imshow(np.where(masks[0][..., None], image, image // 4))
plt.axis("off");

# %% [markdown]
# ## The same masks as PyTorch
#
# Now torch may come in, for comparison.

# %%
import samhq

same = samhq.load().segment(image, box=[172, 17, 410, 209], refine=False).masks[0]
print("IoU with the mask of PyTorch:", (same & masks[0]).sum() / (same | masks[0]).sum())

# %% [markdown]
# On the command line an exported folder is a model like any other: `samhq segment photo.jpg --box 172,17,410,209 --model exported --output out`.
# `--dtype int8` and `--dtype float16` make smaller files; [export](../docs/export.md) says what they cost.
