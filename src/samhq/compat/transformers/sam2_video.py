"""transformers' Sam2VideoModel: follows the objects of a session, low-resolution logits out.

A thin interface to `video/tracker`, which has the rules of the original code. Where transformers differs from that,
this follows the original.

Source: modeling_sam2_video.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.compat.transformers.configs_sam2 import Sam2Config
from samhq.compat.transformers.configs_sam2_video import Sam2VideoConfig
from samhq.compat.transformers.outputs import Output
from samhq.compat.transformers.pretrained import refuse_keywords
from samhq.compat.transformers.sam2_pretrained import Sam2PreTrainedModel
from samhq.compat.transformers.sam2_video_session import Sam2VideoInferenceSession
from samhq.errors import ConfigError, PromptError
from samhq.model.sam2.sam2 import ABSENT
from samhq.progress import counted
from samhq.video.frames import numbers_of_pass
from samhq.video.memory import Remembered
from samhq.video.tracker import absent_logits

_ARGUMENTS = ("inference_session", "frame_idx", "frame", "reverse", "run_mem_encoder")


@dataclass(eq=False)
class Sam2VideoSegmentationOutput(Output):
    """The objects on one frame: `object_ids`, `pred_masks` [N,1,4g,4g], logits in the model's square, in that order.

    `object_score_logits` [N,1] are above 0 for visible objects. An object without a mask on the frame has logits and a
    score of -1024.
    """

    object_ids: list[int] | None = None
    pred_masks: Float[Tensor, "N 1 G G"] | None = None
    object_score_logits: Float[Tensor, "N 1"] | None = None
    frame_idx: int | None = None


class Sam2VideoModel(Sam2PreTrainedModel):
    """SAM 2 for videos with transformers' arguments and outputs. Its network is `self.sam`.

    Made from a `Sam2VideoConfig`, ours or transformers' own, it has random weights.
    """

    main_input_name = "pixel_values"
    config_class: ClassVar[type[Sam2Config]] = Sam2VideoConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        Sam2VideoConfig.row(self.sam.config)

    @torch.no_grad()
    def forward(
        self,
        inference_session: Sam2VideoInferenceSession,
        frame_idx: int | None = None,
        frame: Float[Tensor, "*I 3 S S"] | None = None,
        reverse: bool = False,
        run_mem_encoder: bool = True,
        **unknown: Any,
    ) -> Sam2VideoSegmentationOutput:
        """All objects of the session on one frame: as prompted there, or followed onto it.

        Give `frame_idx`, or the normalised pixels of the next `frame` of a stream. All prompts on frames that are there
        enter memory first. `reverse` follows backward in time.

        Raises:
            PromptError: no objects, no such frame, both a whole video and a frame, or a session of another model.
            ConfigError: another side than the processor's, an argument that does not exist, or `run_mem_encoder=False`.
        """
        refuse_keywords(unknown, None, _ARGUMENTS)
        if not run_mem_encoder:
            raise ConfigError(
                "Expected run_mem_encoder=True, because later frames need the memory, got False. Leave it out."
            )
        session = inference_session
        if not session.obj_ids:
            raise PromptError(
                "Expected objects to follow, got none. Call processor.add_inputs_to_inference_session first."
            )
        if frame is not None:
            frame_idx = session.add_new_frame(frame, frame_idx)
        elif frame_idx is None:
            raise PromptError("Expected frame_idx, or frame with the pixels of a stream's next frame, got neither.")
        tracker = session.ready(self.sam)
        followed = [
            object_id for object_id, tracked in tracker.objects.items() if frame_idx not in tracked.prompts_in_memory
        ]
        tracker.follow(session.encoded(frame_idx), reverse=reverse, only=followed)
        answers = {object_id: tracked.at(frame_idx) for object_id, tracked in tracker.objects.items()}
        return self._output(session, frame_idx, answers)

    def propagate_in_video_iterator(
        self,
        inference_session: Sam2VideoInferenceSession,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
        show_progress_bar: bool = False,
    ) -> Iterator[Sam2VideoSegmentationOutput]:
        """The objects frame by frame, from the first prompted frame, or `start_frame_idx`, to the end of the video.

        With `reverse` to the beginning. Gives `max_frame_num_to_track` frames after the first, as transformers and the
        original do.

        Raises:
            PromptError: no prompts, or the first frame does not exist.
        """
        session = inference_session
        session.ready(self.sam)
        first = session.first_prompted()
        start = first if start_frame_idx is None else start_frame_idx
        session.check_frame(start)
        numbers = numbers_of_pass(start, max_frame_num_to_track, session.num_frames or 0, reverse=reverse)
        for index in counted(numbers, "frame", "propagate in video", show=show_progress_bar):
            tracker = session.ready(self.sam)
            yield self._output(session, index, tracker.follow(session.encoded(index), reverse=reverse))

    def _output(
        self, session: Sam2VideoInferenceSession, frame_idx: int, answers: Mapping[int, Remembered | None]
    ) -> Sam2VideoSegmentationOutput:
        """The answers in order of the session's ids."""
        none = absent_logits(self.sam.config.grid, self.device)
        never = torch.full((1, 1), ABSENT, device=self.device)
        rows = [answers.get(object_id) for object_id in session.obj_ids]
        masks = [none if answer is None else answer.logits for answer in rows]
        scores = [never if answer is None else answer.object_score for answer in rows]
        return Sam2VideoSegmentationOutput(list(session.obj_ids), torch.cat(masks), torch.cat(scores), frame_idx)
