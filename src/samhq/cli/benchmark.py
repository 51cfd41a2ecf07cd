"""`samhq benchmark`: how fast a model is on this machine, and how close it comes to the machine's limit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.config import ModelConfig
    from samhq.speed.contest import Contest
    from samhq.speed.work import Entrant, Work

#: A piece of work that needs more seconds than this, at the rate of matrix products, is measured once only.
LONG = 5.0
QUIET = Parameter(negative="", show_default=False)
#: Other packages by name: the class that runs each of them, and its options.
PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "transformers": ("benchmarks.peers:Transformers", ("sdpa",)),
    "original": ("benchmarks.peers:Original", ()),
}
#: The same for SAM 2, whose classes are others.
PEERS_SAM2 = PEERS | {"transformers": ("benchmarks.peers_sam2:Transformers2", ("sdpa",))}


def benchmark(
    *,
    model: str | None = None,
    device: str | None = None,
    dtype: Annotated[tuple[Literal["float32", "bfloat16", "float16", "auto"], ...], QUIET] = ("float32",),
    decode: Annotated[tuple[int, ...], QUIET] = (1, 16),
    everything: int = 6,
    threads: int = 0,
    peer: Annotated[tuple[Literal["transformers", "original"], ...], QUIET] = (),
    seconds: float = 8.0,
    as_json: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
) -> int:
    """Measure encoding, decoding, one click and whole-image segmentation: time, memory, and the share of the limit.

    For SAM 2 and HQ-SAM 2 also measure the next frame of a video with one object.

    The limit is the time that the necessary arithmetic takes at the speed of the
    machine's own matrix products. That speed is measured between the other
    measurements. Weights are random, because they do not change speed. Nothing is
    downloaded.

    Parameters:
        model: A published name, a weights file or a folder. [default: the starter in the package]
        device: cpu, cuda, cuda:1, ... [default: cuda where there is one, else cpu]
        dtype: Number type of the weights. auto: bfloat16 if the device multiplies it faster, else float32. Repeat
            to compare. [default: float32]
        decode: Number of boxes to decode in one call. Repeat for several numbers. [default: 1 and 16]
        everything: Points along each side of the grid for whole-image segmentation. 0: do not measure it.
        threads: Number of PyTorch threads. 0: PyTorch's own choice.
        peer: Also measure this other package. It must be installed, and samhq must run in a clone of its repository.
            Repeat for more.
        seconds: Approximate time for each measurement. Longer work runs once.
        as_json: Print one line of JSON for each measurement.
    """
    from samhq.device import as_device, as_dtype
    from samhq.speed.contest import Contest
    from samhq.speed.worker import Setting

    check_numbers(decode, threads, seconds, everything)
    config = measured_config(model)
    place = as_device(device)
    dtypes = tuple(str(as_dtype(name, place)).removeprefix("torch.") for name in dtype)
    with Contest(entrants(dtypes, peer, sam2=config.second), Setting(config, str(place), threads)) as parties:
        for work in works(config, decode, everything):
            measure_and_print(parties, work, seconds, as_json)
    return 0


def check_numbers(prompts: tuple[int, ...], threads: int, seconds: float, everything: int = 0) -> None:
    """Refuses numbers that cannot be used.

    Raises:
        ConfigError: one of them is too small.
    """
    if min((*prompts, 1)) < 1 or min(threads, everything) < 0 or not seconds > 0:
        raise ConfigError(
            "Expected --decode of at least 1, --threads and --everything of at least 0 and --seconds above 0, got "
            f"{list(prompts)}, {threads}, {everything} and {seconds}. Leave them out for usual numbers."
        )


def measured_config(model: str | None) -> ModelConfig:
    """The architecture of the model to measure.

    Raises:
        ConfigError, CheckpointError: there is no such model or file.
    """
    from samhq.checkpoint.load import inspect
    from samhq.config import MODELS

    return MODELS[model] if model in MODELS else inspect(model)[0].config


def entrants(dtypes: tuple[str, ...], peers: tuple[str, ...], *, sam2: bool = False) -> list[Entrant]:
    """This library in every dtype, then the peers in every dtype; `sam2` for the peers' classes of SAM 2.

    Raises:
        ConfigError: peers are given, but samhq runs outside of its repository.
    """
    from samhq.speed.work import Entrant
    from samhq.speed.worker import OURS

    if peers:
        _find_peers()
    makers = [(OURS, ()), *((PEERS_SAM2 if sam2 else PEERS)[peer] for peer in dict.fromkeys(peers))]
    return [Entrant(maker, dtype, more) for maker, more in makers for dtype in dict.fromkeys(dtypes)]


def _find_peers() -> None:
    """Makes the repository's `benchmarks` importable. That folder has the code that runs other packages.

    Raises:
        ConfigError: samhq is installed without its repository.
    """
    repository = Path(__file__).parents[3]
    if not (repository / "benchmarks" / "peers.py").is_file():
        raise ConfigError(
            f"Expected samhq's repository around {Path(__file__).parents[1]} for --peer, got an installed package "
            "alone. Run the command in a clone (pip install -e .), or leave --peer out."
        )
    if str(repository) not in sys.path:
        sys.path.append(str(repository))


def works(config: ModelConfig, prompts: tuple[int, ...], everything: int = 0) -> list[Work]:
    """The pieces of work to measure for a model."""
    from samhq.speed.work import Click, Decode, Encode, EverythingLoad, TrackedFrame

    hq: Any = "add" if config.hq else "off"
    decoded = [Decode(config, count, "boxes", hq) for count in dict.fromkeys(prompts)]
    whole_image = [EverythingLoad(config, everything)] if everything else []
    video = [TrackedFrame(config)] if config.memory else []
    return [Encode(config), *decoded, Click(config, 1, "points", hq), *whole_image, *video]


def measure_and_print(parties: Contest, work: Work, seconds: float, as_json: bool) -> None:
    """Measures a piece of work and prints it."""
    from samhq.speed.report import text

    first = parties.seats[0]
    alone = (work.flops() or 0) / first.multiply(first.entrant.dtype)
    record = parties.measure(work, seconds=seconds, once=alone > LONG)
    print(json.dumps(record) if as_json else text(record) + "\n", flush=True)
