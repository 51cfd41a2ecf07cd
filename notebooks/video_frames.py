# %% [markdown]
# # Videos
#
# Say where an object is on one frame, and get its mask on all others. SAM 2 and HQ-SAM 2 follow objects with their memory; every other model,
# such as the starter, which is part of samhq, by matching the features of frames.

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
# ## One prompt for the whole video
#
# A box on frame 0 is all that the model gets. `load_video_model("sam2.1_hiera_tiny")` would take SAM 2 in place of the starter.

# %%
segmenter = samhq.load_video_model()
prompts = [samhq.VideoPrompt(1, 0, samhq.Prompt(box=[132, 17, 370, 209]), "cup")]  # object 1, frame 0
followed = list(segmenter.track(frames, prompts))
figure, axes = plt.subplots(2, 4, figsize=(11, 4.8))
for axis, frame in zip(axes.flat, followed):
    axis.imshow(frame.overlay())
    axis.set_title(f"frame {frame.index}: {frame.mask(1).sum()} px")
    axis.set_axis_off()

# %% [markdown]
# On the command line: `samhq track clip.mp4 --box 132,17,370,209 --output out`. Memory does not grow with the length of the video, prompts may
# come on any frame, and `segmenter.tracker()` takes frames from a camera as they come.
#
# ## A box for each frame
#
# If a detector with a tracker already gives boxes, each frame is segmented by itself. Here we know where the camera is.

# %%
cup = (172, 17, 410, 209)
tracks = FrameBoxes(
    {
        number: [BoxedObject(1, (max(cup[0] - left, 0), max(cup[1] - top, 0), cup[2] - left, cup[3] - top), "cup")]
        for number, (left, top) in enumerate(corners)
    }
)
boxed = list(segment_by_boxes(samhq.load(), open_frames(frames), tracks))
for one, other in zip(followed, boxed):
    both = (one.mask(1) & other.mask(1)).sum() / (one.mask(1) | other.mask(1)).sum()
    print(f"frame {one.index}: IoU of both ways {both:.3f}")

# %% [markdown]
# The same on the command line, with a MOT file of boxes: `samhq track clip.mp4 --boxes tracks.txt --output out`. More: [videos](../docs/video.md).
