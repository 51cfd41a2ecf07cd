"""An engine on Ray: one actor with one model each, on an existing cluster or one that is started here.

Ray moves shards to actors and notices dead nodes. The job's folder, not Ray, shows which shards are finished.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from samhq.batch.pool import Died, Start
from samhq.errors import ConfigError, SamHQError
from samhq.extras import from_extra

RayItem = TypeVar("RayItem")
RayResult = TypeVar("RayResult")

_FAILED_STARTS = 10  #: Number of actors in a row that may die before they have loaded their model.


@dataclass(frozen=True)
class RayEngine:
    """`actors` processes on a Ray cluster.

    `address` is that of an existing cluster ("auto" finds the one of this machine); without it one is started here.
    `cpus` and `gpus` are those of one actor; `resources` are custom ones, by which nodes can be chosen.
    """

    actors: int = 1
    address: str | None = None
    cpus: float = 1
    gpus: float = 0
    resources: dict[str, float] = field(default_factory=dict)

    def run(
        self, start: Start[RayItem, RayResult], items: Sequence[RayItem]
    ) -> Generator[tuple[RayItem, RayResult | Died], None, None]:
        """As `samhq.batch.engine.Engine.run`; the item of an actor or node that is lost gets `Died`.

        Raises:
            MissingExtraError: ray is not installed.
            ConfigError: without an address, an actor needs more than this machine has.
        """
        with from_extra("ray", "the Ray engine"):
            import ray
        ours = not ray.is_initialized()
        if ours:
            # Without an address Ray would take whatever cluster it finds on this machine.
            ray.init(address=self.address or "local", logging_level=logging.ERROR, include_dashboard=False)
        try:
            if ours and self.address is None:
                self._check(ray.cluster_resources())  # type: ignore[no-untyped-call]
            yield from self._run(ray, start, items)
        finally:
            if ours:
                ray.shutdown()

    def _check(self, resources: dict[str, float]) -> None:
        """Refuses actors that would wait for ever.

        Raises:
            ConfigError: one needs more than this machine has.
        """
        for name, needed in {"CPU": self.cpus, "GPU": self.gpus, **self.resources}.items():
            if needed > resources.get(name, 0):
                raise ConfigError(
                    f"Expected {needed:g} {name} for a Ray actor, got {resources.get(name, 0):g} on this machine. "
                    "Ask for less, or give the address of a cluster that has them."
                )

    def _run(self, ray: Any, start: Any, items: Sequence[Any]) -> Generator[tuple[Any, Any], None, None]:
        """Gives items to actors that have loaded their model; an actor that waits for a place holds no item."""
        waiting, left, failures = deque(items), len(items), 0
        actor_class = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, resources=self.resources or None)(_Actor)
        tasks: dict[Any, tuple[Any, tuple[Any, ...]]] = {}  # with their actor, and their item unless they load

        def begin() -> None:
            actor = actor_class.remote(start)
            tasks[actor.load.remote()] = actor, ()

        for _ in range(min(self.actors, len(items))):
            begin()
        while left:
            (ready,), _ = ray.wait(list(tasks), num_returns=1)
            actor, given = tasks.pop(ready)
            try:
                result, error = ray.get(ready)
            except ray.exceptions.RayError as lost:
                if isinstance(lost, ray.exceptions.RayTaskError):
                    raise
                failures += not given
                if failures > _FAILED_STARTS:
                    raise _no_actors(lost) from lost
                begin()
                result, error = Died(9), None
            else:
                if error is not None:
                    raise error
                failures = 0
                if waiting:
                    item = waiting.popleft()
                    tasks[actor.work.remote(item)] = actor, (item,)
            if given:
                left -= 1
                yield given[0], result


def _no_actors(lost: Exception) -> ConfigError:
    return ConfigError(
        f"Expected Ray actors that load their model, got {_FAILED_STARTS + 1} that died before: {lost!s:.300}. "
        "Look into Ray's logs; the memory may be too small, or the cluster gone."
    )


class _Actor:
    """A process of a cluster: the function that `start` makes, called with items."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._each: Any = None

    def load(self) -> tuple[None, Exception | None]:
        """Calls `start`; the error that ends the job, if there is one."""
        try:
            self._each = self._start()
        except (SamHQError, OSError) as error:
            return None, error
        return None, None

    def work(self, item: Any) -> tuple[Any, Exception | None]:
        """The result, or the error that ends the job."""
        try:
            return self._each(item), None
        except (SamHQError, OSError) as error:
            return None, error
