"""Who segments everything: this library, and transformers' model with the steps of its pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from benchmarks import peers
from samhq.encoder_config import TinyViTConfig
from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.filters import nms
from samhq.speed import ours

if TYPE_CHECKING:
    from benchmarks.everything import Everything


class Ours(ours.Ours):
    """This library."""

    def segmenting(self, work: Everything) -> ours.Workload:
        """A file to masks that are held."""
        asked = {"pred_iou_thresh": work.pred_iou_thresh, "stability_score_thresh": work.stability_score_thresh}
        segmenter, notes = Segmenter(self.model), {"kept": 0}

        def run() -> None:
            notes["kept"] = len(segment_everything(work.picture, segmenter, points_per_side=work.points, **asked))

        return ours.Workload(run, notes=notes)


class Transformers(peers.Transformers):
    """transformers."""

    def __init__(self, model: Sam, dtype: str, device: torch.device, attention: str = "sdpa") -> None:
        super().__init__(model, dtype, device, attention)
        self.tiny = model.to(device, self.model.dtype) if isinstance(model.config.encoder, TinyViTConfig) else None

    def segmenting(self, work: Everything) -> ours.Workload:
        """A file to masks that are held."""
        from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

        processor, notes = SamImageProcessorPil(), {"kept": 0}
        thresholds = work.pred_iou_thresh, work.stability_score_thresh

        def run() -> None:
            with Image.open(work.picture) as image:
                boxes, points, crops, labels = processor.generate_crop_boxes(
                    image.convert("RGB"), 1024, points_per_crop=work.points
                )
            inputs = processor(images=crops, return_tensors="pt")
            size, resized = inputs["original_sizes"][0].tolist(), inputs["reshaped_input_sizes"].tolist()
            seen, found = self.embed(inputs["pixel_values"].to(self.device, self.model.dtype)), []
            for start in range(0, points.shape[1], 64):  # the pipeline's points_per_batch
                rows = slice(start, start + 64)
                output = self.model(
                    **seen,
                    input_points=points[:, rows].float().to(self.device),
                    input_labels=labels[:, rows].to(self.device),
                )
                masks = processor.post_process_masks(output.pred_masks.float(), [size], resized, binarize=False)
                scores = output.iou_scores[0].float()
                found.append(processor.filter_masks(masks[0], scores, size, boxes[0], *thresholds))
            places = torch.cat([part[2] for part in found]).cpu().numpy()
            notes["kept"] = len(nms(places, torch.cat([part[1] for part in found]).cpu().numpy(), 0.7))

        return ours.Workload(run, notes=notes)

    def embed(self, pixels: torch.Tensor) -> dict[str, Any]:
        """What its decoder takes; TinyViT's pictures are embedded by ours."""
        if self.tiny is not None:
            seen = self.tiny.encode(pixels, keep_early=True)
            early = {"intermediate_embeddings": [seen.early]} if self.config.hq else {}
            return {"image_embeddings": seen.features, **early}
        whole = self.model.get_image_embeddings(pixels)
        if not self.config.hq:
            return {"image_embeddings": whole}
        return {"image_embeddings": whole[0], "intermediate_embeddings": whole[1]}
