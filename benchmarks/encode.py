"""Pictures to embeddings: ours beside transformers, the original package, and TinyViT's modules as published.

Ours makes the HQ map here, once a picture; the peers make it at every call of their decoder.

    python benchmarks/encode.py --model sam_hq_vit_tiny
    python benchmarks/encode.py --model sam_hq_vit_b --dtypes float32 bfloat16 --peers sdpa --rounds 3
    python benchmarks/encode.py --model sam_hq_vit_h --device cuda --dtypes bfloat16 --images 1 2 4 8
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import contest, parser, show
from samhq.config import model_config
from samhq.speed.work import Encode


def main(arguments: list[str] | None = None) -> None:
    """One case for every model and number of pictures."""
    flags = parser(__doc__, models=["sam_hq_vit_b", "sam_hq_vit_tiny"])
    flags.add_argument("--images", nargs="+", type=int, default=[1], help="pictures in one call")
    options = flags.parse_args(arguments)
    for config in map(model_config, options.model):
        with contest(config, options) as parties:
            for images in options.images:
                show(parties, Encode(config, images), options)


if __name__ == "__main__":
    main()
