"""Ray: the same bytes as a loop, also when an actor or a whole node dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samhq.batch.engine import Engine
from samhq.batch.pool import Died
from samhq.batch.ray_engine import RayEngine
from samhq.batch.sharded import run_sharded
from samhq.errors import CheckpointError, ConfigError
from tests.batch.sharding import check, planned, shard_files

ray = pytest.importorskip("ray")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without work and two nodes with one place each; a dead node is noticed in seconds."""
    from ray.cluster_utils import Cluster

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    health = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
    health |= {"health_check_timeout_ms": 10_000, "health_check_failure_threshold": 3}
    memory = 100 * 2**20
    head = {"num_cpus": 1, "object_store_memory": memory, "_system_config": health}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.nodes_with_work = [
        cluster.add_node(num_cpus=1, resources={"work": 1}, object_store_memory=memory) for _ in range(2)
    ]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    monkeypatch.undo()


def slowly() -> Callable[[int], tuple[int, int]]:
    return wait_and_name


def wait_and_name(number: int) -> tuple[int, int]:
    time.sleep(1.0)
    return number, os.getpid()


def broken() -> Callable[[int], int]:
    raise CheckpointError("Expected weights, got none.")


@pytest.mark.slow
def test_a_killed_actor_is_replaced_and_an_error_ends_the_run(cluster: Any) -> None:
    engine = RayEngine(actors=1, resources={"work": 1})
    answers = engine.run(slowly, [1, 2, 3])
    first, (_, process) = next(answers)
    threading.Timer(0.3, os.kill, (process, signal.SIGKILL)).start()
    rest = list(answers)
    assert first == 1
    assert [item for item, _ in rest] == [2, 3]
    assert [isinstance(answer, Died) for _, answer in rest] == [True, False]
    with pytest.raises(CheckpointError, match="got none"):
        list(engine.run(broken, [1]))


@pytest.mark.slow
def test_a_killed_driver_costs_the_shards_in_work(cluster: Any, tmp_path: Path) -> None:
    undisturbed = planned(tmp_path, "undisturbed", count=12, shard_size=1)
    run_sharded(undisturbed.folder.address)
    job = planned(tmp_path, shard_size=1)
    flags = ["--engine", "ray", "--address", cluster.address, "--quiet"]
    driver = subprocess.Popen([sys.executable, "-m", "samhq", "batch", "run", job.folder.address, *flags], cwd=ROOT)
    end = time.monotonic() + 120
    while len(job.folder.names("out")) < 2:
        assert driver.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    tally = run_sharded(job.folder.address, RayEngine(actors=2, resources={"work": 1}))
    assert tally.skipped >= 2
    check(job, shard_files(undisturbed))


@pytest.mark.slow
def test_a_node_is_killed_and_the_job_ends_as_if_it_never_was(cluster: Any, tmp_path: Path) -> None:
    undisturbed = planned(tmp_path, "undisturbed", count=24, shard_size=1)
    run_sharded(undisturbed.folder.address)
    job = planned(tmp_path, shard_size=1)
    engine = RayEngine(actors=2, resources={"work": 1})
    assert isinstance(engine, Engine)
    done: list[int] = []

    def kill(*_: object) -> None:
        done.append(1)
        if len(done) == 4:
            cluster.remove_node(cluster.nodes_with_work[0], allow_graceful=False)

    tally = run_sharded(job.folder.address, engine, tell=kill)
    assert tally.lost == ()
    check(job, shard_files(undisturbed))


def test_without_an_address_a_cluster_is_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **how: begun.append(how))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    for address in (None, "auto", "10.0.0.1:6379"):
        assert list(RayEngine(1, address).run(slowly, [])) == []
    assert [how["address"] for how in begun] == ["local", "auto", "10.0.0.1:6379"]
    with pytest.raises(ConfigError, match="1 GPU for a Ray actor, got 0"):
        list(RayEngine(1, gpus=1).run(slowly, [1]))
