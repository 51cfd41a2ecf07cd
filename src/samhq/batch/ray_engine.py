"""An engine on Ray: one actor with one model each, on an existing cluster or one that is started here.

Ray moves shards to actors and notices dead nodes; what is finished is known from the job's folder, not from Ray.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from samhq.batch.pool import Died, Start
from samhq.errors import SamHQError
from samhq.extras import from_extra

RayItem = TypeVar("RayItem")
RayResult = TypeVar("RayResult")


@dataclass(frozen=True)
class RayEngine:
    """So many actors on a Ray cluster.

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
        """
        with from_extra("ray", "the Ray engine"):
            import ray
        ours = not ray.is_initialized()
        if ours:
            ray.init(address=self.address, logging_level=logging.ERROR, include_dashboard=False)
        try:
            yield from self._run(ray, start, items)
        finally:
            if ours:
                ray.shutdown()

    def _run(self, ray: Any, start: Any, items: Sequence[Any]) -> Generator[tuple[Any, Any], None, None]:
        waiting, running = deque(items), {}
        actor_class = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, resources=self.resources or None)(_Actor)

        def give(actor: Any) -> None:
            if waiting:
                item = waiting.popleft()
                running[actor.work.remote(item)] = (actor, item)

        for _ in range(min(self.actors, len(items))):
            give(actor_class.remote(start))
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            actor, item = running.pop(ready)
            try:
                result, error = ray.get(ready)
            except ray.exceptions.RayError as lost:
                if isinstance(lost, ray.exceptions.RayTaskError):
                    raise
                give(actor_class.remote(start))
                yield item, Died(9)
                continue
            if error is not None:
                raise error
            give(actor)
            yield item, result


class _Actor:
    """A process of a cluster: the function that `start` makes, called with items."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._each: Any = None

    def work(self, item: Any) -> tuple[Any, Exception | None]:
        """The result, or the error that ends the job."""
        try:
            if self._each is None:
                self._each = self._start()
            return self._each(item), None
        except (SamHQError, OSError) as error:
            return None, error
