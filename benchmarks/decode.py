"""Prompts on one encoded picture to low-resolution masks: ours beside transformers and the original package.

The encoder's outputs are random and no encoder runs. transformers has no TinyViT; its decoder takes the same
outputs.

    python benchmarks/decode.py --model sam_hq_vit_tiny --prompts 64 --peers sdpa
    python benchmarks/decode.py --prompts 1 64 --kinds points boxes --hq add only off --dtypes float32 bfloat16
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import contest, parser, show
from samhq.config import model_config
from samhq.speed.work import Decode, decoder_only


def main(arguments: list[str] | None = None) -> None:
    """One case for every model, HQ mode, kind and number of prompts."""
    flags = parser(__doc__, models=["sam_hq_vit_tiny", "sam_vit_b"], peers=["sdpa", "eager", "original"])
    flags.add_argument("--prompts", nargs="+", type=int, default=[1, 4, 16, 64], help="prompts in one call")
    flags.add_argument("--kinds", nargs="+", default=["boxes"], choices=["boxes", "points"])
    flags.add_argument("--hq", nargs="+", default=["add"], choices=["add", "only", "off"], help="SAM: off")
    options = flags.parse_args(arguments)
    for config in (decoder_only(model_config(name)) for name in options.model):
        with contest(config, options) as parties:
            for hq in options.hq if config.hq else ["off"]:
                for kind in options.kinds:
                    for prompts in options.prompts:
                        show(parties, Decode(config, prompts, kind, hq), options)


if __name__ == "__main__":
    main()
