"""Room is taken in turns, never beyond its size, and nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from samhq.batch.room import Room


def test_it_is_never_overfull_and_everybody_gets_their_turn() -> None:
    room, sizes = Room(10), [random.Random(turn).randrange(0, 13) for turn in range(60)]
    taken: list[int] = []

    def take(turn: int) -> int:
        time.sleep(random.Random(turn).random() / 500)
        room.take(turn, sizes[turn])
        taken.append(turn)
        return sizes[turn]

    used = 0
    with ThreadPoolExecutor(4) as pool:
        for turn, size in enumerate(pool.map(take, range(60))):
            used += size
            ahead = sum(sizes[turn] for turn in taken) - used
            assert ahead + size <= max(10, *sizes[turn : len(taken)])
            room.give_back(size)
    assert sorted(taken) == list(range(60))


def test_a_large_one_waits_until_nothing_is_held() -> None:
    room, done = Room(10), threading.Event()
    room.take(0, 4)

    def large() -> None:
        room.take(1, 50)
        done.set()

    thread = threading.Thread(target=large)
    thread.start()
    assert not done.wait(0.05)
    room.give_back(4)
    assert done.wait(10)
    thread.join()


def test_the_end_frees_all_who_wait() -> None:
    room = Room(10)
    threads = [threading.Thread(target=room.take, args=(turn, 5)) for turn in (3, 7)]
    for thread in threads:
        thread.start()
    room.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
