"""The error for a state dict that is not a whole SAM or SAM-HQ model: it names what the file seems to be.

Uses tensor names only.
"""

from __future__ import annotations

from collections.abc import Collection

from samhq.checkpoint.naming import some_names
from samhq.errors import CheckpointError
from samhq.model.encoders.table import ENCODERS
from samhq.plural import plural

_DECODERS = ("mask_decoder.", "sam_mask_decoder.")
_WHOLE = 'Load a whole model, such as "sam_hq_vit_b"'


def error_for_unknown(keys: Collection[str]) -> CheckpointError:
    """The error for tensor names that do not form a SAM model."""
    return CheckpointError(f"Expected a SAM or SAM-HQ model, got {_what(keys)}.")


def is_stranger(keys: Collection[str]) -> bool:
    """Whether the names cannot be those of a whole SAM or SAM-HQ model with a known encoder."""
    marks = (*(kind.mark for kind in ENCODERS.values()), "vision_encoder.patch_embed.", "vision_encoder.backbone.")
    return not (_starts(keys, *marks) and _starts(keys, *_DECODERS))


def _what(keys: Collection[str]) -> str:
    if _starts(keys, "bert.") or any("text_layers." in key for key in keys):
        return f"a text-prompted detector such as GroundingDINO, which finds boxes, not masks. {_WHOLE}"
    if "iou_token.weight" in keys and _starts(keys, "transformer."):
        heads = "an HQ mask decoder" if "hf_token.weight" in keys else "a SAM mask decoder"
        return f"{heads} alone, as SAM-HQ's training reads and writes it, without the image encoder. {_WHOLE}"
    if _starts(keys, *_DECODERS):
        if _starts(keys, "image_encoder.", "vision_encoder."):
            known = ", ".join(kind.row.kind for kind in ENCODERS.values())
            return f"a SAM decoder with an image encoder that samhq does not know (known: {known}). {_WHOLE}"
        return f"a SAM decoder without its image encoder. {_WHOLE}"
    if _starts(keys, "image_encoder.", "vision_encoder.", "patch_embed.", "blocks.0."):
        return f"an image encoder without SAM's mask decoder. {_WHOLE}"
    return f"{plural(len(keys), 'tensor')} of another model: {some_names(keys, 3)}. {_WHOLE}"


def _starts(keys: Collection[str], *beginnings: str) -> bool:
    return any(key.startswith(beginnings) for key in keys)
