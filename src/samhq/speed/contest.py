"""Measures several parties at the same work in turn, so that slow moments of the machine affect all of them.

Their results are compared before anything is timed. Light to import; the work is done in the parties' processes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from samhq.errors import SamHQError
from samhq.speed.measure import Measurement, Peak, quartiles
from samhq.speed.work import Entrant, Work
from samhq.speed.worker import Seat, Setting

if TYPE_CHECKING:
    import numpy as np

Record = dict[str, Any]
#: float32 results of two parties may differ by this share of the largest value.
TOLERANCE = 1e-4
#: Seconds between two parties, because threads of the last one spin for a moment before they sleep.
PAUSE = 0.02
#: Work that takes this many seconds is not repeated for warming up after its results were compared.
WARM = 2.0


class UnequalError(SamHQError):
    """Two parties of one case gave different results, so their times mean nothing."""


class Contest:
    """A model's parties, each in its process, ours first; use it in a `with` statement."""

    def __init__(self, entrants: Sequence[Entrant], setting: Setting) -> None:
        self.setting = setting
        self._seats = [Seat(entrant, setting) for entrant in entrants]
        self.seats = [seat for seat in self._seats if seat.ready()]
        self.absent = {seat.label: seat.absent for seat in self._seats if seat.absent}

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        for seat in self._seats:
            seat.close()

    def measure(
        self, work: Work, *, rounds: int = 0, seconds: float = 20.0, memory: bool = True, once: bool = False
    ) -> Record:
        """The record of a piece of work. `rounds=0` means as many as fit into `seconds`, from 3 to 50.

        With `once` every party does it only once: results are not compared, and memory is measured in the same run.
        This is for long work.

        Raises:
            UnequalError: the parties' results differ.
            PartyError: a party's process ended.
        """
        once = once or work.long
        refused = {seat.label: seat.take(work) for seat in self.seats}
        seats = [seat for seat in self.seats if not refused[seat.label]]
        apart = {} if once else prepare(seats, work)
        samples, peaks, rates = alternate(seats, rounds or once, seconds, watched=once)
        if memory and not once:
            peaks = {seat.label: seat.peak() for seat in seats}
        flops = work.flops()
        return {
            "case": work.case,
            "model": work.config.name,
            **work.facts(),
            "weights": self.setting.weights,
            "device": self.setting.device,
            "gflop": None if flops is None else four_digits(flops / 1e9),
            "gemm_gflops": {dtype: four_digits(rate / 1e9) for dtype, rate in rates.items()},
            "rounds": len(next(iter(samples.values()))),
            "parties": [
                {
                    "name": seat.name,
                    "dtype": seat.entrant.dtype,
                    **figures(samples[seat.label], flops, rates[seat.entrant.dtype], work.count),
                    **memory_figures(peaks.get(seat.label)),
                    **seat.notes(),
                    "difference": apart.get(seat.label, {}),
                }
                for seat in seats
            ],
            "absent": {**self.absent, **{label: reason for label, reason in refused.items() if reason}},
            "machine": self._seats[0].machine(),
            "versions": installed_versions(),
        }


def prepare(seats: Sequence[Seat], work: Work) -> dict[str, dict[str, float]]:
    """The differences between the parties' results; afterwards each party has done the work at least once.

    Raises:
        UnequalError: as `check_equal`.
    """
    answers, warm = {}, set()
    for seat in seats:
        started = time.perf_counter()
        answers[seat.label] = seat.answer()
        if time.perf_counter() - started > WARM:
            warm.add(seat.label)
    apart = check_equal(answers, work)
    for seat in seats:
        if seat.label not in warm:
            seat.run()
    return apart


def alternate(
    seats: Sequence[Seat], rounds: int, seconds: float, *, watched: bool = False
) -> tuple[dict[str, list[Measurement]], dict[str, Peak | None], dict[str, float]]:
    """For each party the samples of its rounds, its memory in the last if `watched`, and the machine's rates by dtype.

    A rate is the median of matrix products that the first party does between the rounds, in operations per second.
    """
    samples: dict[str, list[Measurement]] = {seat.label: [] for seat in seats}
    rates: dict[str, list[float]] = {seat.entrant.dtype: [] for seat in seats}
    peaks: dict[str, Peak | None] = {}
    started, done = time.perf_counter(), 0

    def unfinished() -> bool:
        if rounds:
            return done < rounds
        return done < 3 or (done < 50 and time.perf_counter() - started < seconds)

    while unfinished():
        for seat in seats:
            time.sleep(PAUSE)
            sample, peaks[seat.label] = seat.run_watched() if watched else (seat.run(), None)
            samples[seat.label].append(sample)
        for dtype, of_dtype in rates.items():
            time.sleep(PAUSE)
            of_dtype.append(seats[0].multiply(dtype))
        done += 1
    return samples, peaks, {dtype: quartiles(of_dtype).median for dtype, of_dtype in rates.items()}


def check_equal(answers: Mapping[str, Mapping[str, np.ndarray]], work: Work) -> dict[str, dict[str, float]]:
    """The difference of each party's results from those of the first float32 party, or else of the first party.

    Raises:
        UnequalError: two float32 parties differ by more than `TOLERANCE`, or share no result.
    """
    exact = [label for label in answers if label.endswith("float32")]
    first = (exact or list(answers))[0]
    apart = {label: difference(results, answers[first]) for label, results in answers.items() if label != first}
    for label in exact[1:]:
        if not max(apart[label].values(), default=float("inf")) <= TOLERANCE:
            raise UnequalError(
                f"Expected results of {label} within {TOLERANCE} of {first} in {work.case} {work.facts()}, "
                f"got {apart[label] or 'no result of the same name'}. Correct the results before measuring their time."
            )
    return apart


def difference(results: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For each result that both have, the largest difference as a share of the largest value.

    >>> import numpy as np
    >>> difference({"a": np.array([1.0, 2.0])}, {"a": np.array([1.0, 4.0]), "b": np.ones(1)})
    {'a': 0.5}
    """
    differences = {}
    for name in (name for name in results if name in other):
        a, b = results[name], other[name]
        if a.shape != b.shape:
            differences[name] = float("inf")
        else:
            differences[name] = float(f"{abs(a - b).max() / abs(b).max():.2g}")
    return differences


def figures(samples: Sequence[Measurement], flops: int | None, rate: float, count: int = 1) -> Record:
    """The figures of work on `count` items; `share` is the time for its arithmetic at the GEMM rate, as a share."""
    seconds = quartiles([sample.seconds for sample in samples])
    return {
        "seconds": {key: four_digits(value) for key, value in asdict(seconds).items()},
        "cpu_seconds": four_digits(quartiles([sample.cpu_seconds for sample in samples]).median),
        "page_faults": round(quartiles([float(sample.page_faults) for sample in samples]).median),
        "per_second": four_digits(count / seconds.median),
        "share": None if flops is None else four_digits(flops / seconds.median / rate),
    }


def memory_figures(peak: Peak | None) -> Record:
    """Resident MiB with the model, and additional MiB during the work."""
    if peak is None:
        return {"model_mb": None, "peak_mb": None}
    return {"model_mb": round(peak.before_mb, 1), "peak_mb": round(peak.beyond_mb, 1)}


def four_digits(value: float) -> float:
    """Four significant digits.

    >>> four_digits(0.0123456)
    0.01235
    """
    return float(f"{value:.4g}")


def installed_versions() -> dict[str, str]:
    """The versions of this library and of the installed peers."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for name in ("samhq", "torch", "transformers"):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
