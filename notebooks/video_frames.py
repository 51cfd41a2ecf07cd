# %% [markdown]
# # Videos
#
# There are two ways. SAM 2 follows objects from a prompt on one frame; its weights are **not** part of samhq, so its lines are shown here and not
# run. Every other model, such as the starter, segments each frame from a box, which a tracker or a detector brings.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import matplotlib.pyplot as plt
import numpy as np
import samhq
from PIL import Image
from samhq.video.boxes import BoxedObject, FrameBoxes, segment_by_boxes
from samhq.video.frames import open_frames

# %% [markdown]
# ## A video
#
# A camera that moves over a photograph: eight frames, as arrays. A file (`clip.mp4`, extra `video`) or a folder of pictures works as well.

# %%
photograph = np.asarray(Image.open(samhq.sample_picture()))
corners = [(40 + 14 * step, 6 * step) for step in range(8)]
frames = [np.ascontiguousarray(photograph[top : top + 340, left : left + 420]) for left, top in corners]

# %% [markdown]
# ## A box for each frame
#
# A real tracker would find these. Here we know where the camera is.

# %%
cup = (172, 17, 410, 209)
tracks = FrameBoxes(
    {
        number: [BoxedObject(1, (max(cup[0] - left, 0), max(cup[1] - top, 0), cup[2] - left, cup[3] - top), "cup")]
        for number, (left, top) in enumerate(corners)
    }
)
masks = list(segment_by_boxes(samhq.load(), open_frames(frames), tracks))
figure, axes = plt.subplots(2, 4, figsize=(11, 4.8))
for axis, frame in zip(axes.flat, masks):
    axis.imshow(frame.overlay())
    axis.set_title(f"frame {frame.index}: {frame.mask(1).sum()} px")
    axis.set_axis_off()

# %% [markdown]
# The same on the command line, with a MOT file of boxes: `samhq track clip.mp4 --boxes tracks.txt --output out`.
#
# ## With SAM 2: one prompt for the whole video
#
# ```python
# segmenter = samhq.load_video_model("sam2.1_hiera_tiny")
# prompts = [samhq.VideoPrompt(1, 0, samhq.Prompt(box=[132, 17, 370, 209]), "cup")]  # object 1, frame 0
# for frame in segmenter.track(frames, prompts):
#     frame.index, frame.mask(1)
# ```
#
# Memory does not grow with the length of the video, prompts may come on any frame, and `segmenter.tracker()` takes frames from a camera as they
# come. More: [videos](../docs/video.md).
