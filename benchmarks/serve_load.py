"""Many clients of one `samhq serve`: how long answers take, how many are refused, and how much memory is held.

Run it with: python benchmarks/serve_load.py --clients 50 --seconds 60 --at-once 3
Each client hovers, clicks and commits on a picture without pause, with so many requests at once. Only 200, 409, 429 and
503 are right answers.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

from samhq.image.sample_picture import sample_picture


class LoadClient(threading.Thread):
    """A client that asks until the time is over."""

    def __init__(self, number: int, base: str, token: str, end: float) -> None:
        super().__init__()
        self.number, self.base, self.token, self.end = number, base, token, end
        self.codes: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.sentences = True

    def run(self) -> None:
        """Hovers and clicks; every tenth click becomes an object."""
        random, seq = np.random.default_rng(self.number), 0
        while time.monotonic() < self.end:
            seq += 1
            point = [float(random.uniform(0, 600)), float(random.uniform(0, 400))]
            prompt = {"points": [point], "labels": [1]}
            if seq % 10:
                about = {"kind": "hover" if seq % 3 else "prompt", "client": str(self.number), "seq": seq}
                self.ask("decode", prompt | about)
            else:
                self.ask("commands", {"command": {"type": "commit", "draft": prompt}})

    def ask(self, what: str, body: dict) -> None:
        """Sends a request and notes what came."""
        headers = {"X-Samhq-Token": self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.base}api/v1/images/1/{what}", json.dumps(body).encode(), headers)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                answer.read()
                code = answer.status
        except urllib.error.HTTPError as error:
            code = error.code
            self.sentences &= json.load(error)["error"]["message"].startswith("Expected")
            time.sleep(0.05)
        except (TimeoutError, OSError):
            code = 0
        self.codes[code] += 1
        if code == 200:
            self.seconds.append(time.monotonic() - began)


def memory_mib(process: int) -> float:
    """The resident memory of a process on Linux, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def main() -> None:
    """Starts a server, loads it, and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--at-once", type=int, default=1, help="requests of a client at the same time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cup.jpg").write_bytes(sample_picture().read_bytes())
        command = [sys.executable, "-m", "samhq", "serve", folder, "--port", "0", "--no-open"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                print(json.dumps(measured(server, given.clients, given.seconds, given.at_once)))
            finally:
                server.terminate()


def measured(server: subprocess.Popen, count: int, seconds: float, at_once: int = 1) -> dict:
    """What the clients saw."""
    assert server.stdout is not None
    base, token = re.search(r"(http://\S+/)#t=(\S+)", server.stdout.readline()).groups()  # type: ignore[union-attr]
    LoadClient(0, base, token, 0).ask("decode", {"points": [[1, 1]], "labels": [1]})  # load and encode
    before, end = memory_mib(server.pid), time.monotonic() + seconds
    clients = [LoadClient(number % count, base, token, end) for number in range(count * at_once)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    codes = sum((client.codes for client in clients), Counter())
    answered = np.array([one for client in clients for one in client.seconds] or [0.0])
    return {
        "clients": count,
        "at_once": at_once,
        "seconds": seconds,
        "answers": {str(code): number for code, number in sorted(codes.items())},
        "hung_or_broken": codes[0],
        "errors_have_a_sentence": all(client.sentences for client in clients),
        "answers_per_second": round(codes[200] / seconds, 1),
        "p50_s": round(float(np.percentile(answered, 50)), 2),
        "p95_s": round(float(np.percentile(answered, 95)), 2),
        "longest_s": round(float(answered.max()), 2),
        "memory_mib": [round(before), round(memory_mib(server.pid))],
    }


if __name__ == "__main__":
    main()
