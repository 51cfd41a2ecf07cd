"""Videos with one object: the next frame, or all frames and the memory they take; ours beside transformers.

Frames are drawn as they are needed. Ours keeps the memories that later frames use; transformers' session keeps every
frame and every output.

    python benchmarks/track.py --model sam2.1_hiera_tiny                          # the ninth frame
    python benchmarks/track.py --model sam2.1_hiera_tiny --side 512 --frames 200  # 200 frames, once, with peak memory
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import contest, parser, show
from samhq.config import model_config
from samhq.speed.work import Clip, TrackedFrame


def main(arguments: list[str] | None = None) -> None:
    """One case for every model."""
    flags = parser(__doc__, models=["sam2.1_hiera_tiny"], peers=["sdpa"])
    flags.add_argument("--side", type=int, help="side at which the model sees frames; default: the model's own")
    flags.add_argument("--frames", type=int, default=0, help="follow so many frames instead of one")
    options = flags.parse_args(arguments)
    for config in map(model_config, options.model):
        config = config.replace(side=options.side or config.side)
        with contest(config, options) as parties:
            show(parties, Clip(config, options.frames) if options.frames else TrackedFrame(config), options)


if __name__ == "__main__":
    main()
