"""Starts the labelling server, labels a picture through its HTTP interface, and downloads the labels as COCO.

pip install 'samhq[serve]'
python examples/serve_client.py --output out

The page in the browser uses the same routes: docs/serve-api.md lists them. Only Python's standard library is used here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import samhq

#: Prompts in pixels of the sample picture, by class.
OBJECTS = {
    "cup": {"box": [172, 17, 410, 209]},
    "spoon": {"box": [326, 200, 407, 326]},
}


class Client:
    """A server's address and token, as `samhq serve` prints them: http://127.0.0.1:PORT/#t=TOKEN."""

    def __init__(self, printed: str) -> None:
        self.address, _, self.token = printed.partition("/#t=")

    def send(self, method: str, route: str, body: Any = None) -> bytes:
        """The answer's body."""
        headers = {"X-Samhq-Token": self.token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/v1{route}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            content: bytes = answer.read()
        return content

    def json(self, method: str, route: str, body: Any = None) -> Any:
        """The answer's JSON."""
        return json.loads(self.send(method, route, body))


def main(arguments: Sequence[str] | None = None) -> None:
    """Starts the server, labels, exports, stops the server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("out"))
    args = parser.parse_args(arguments)
    folder = args.output / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(samhq.sample_picture(), folder)
    command = [sys.executable, "-u", "-m", "samhq", "serve", str(folder), "--port", "0", "--no-open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")
    try:
        printed = next(word for line in server.stdout or () for word in line.split() if "/#t=" in word)
        label(Client(printed), args.output / "labels.json")
    finally:
        server.terminate()
        server.wait()


def label(client: Client, target: Path) -> None:
    """Makes an object from each prompt and writes the project's labels as a COCO file."""
    picture = client.json("GET", "/images")["images"][0]
    for name, prompt in OBJECTS.items():
        number = client.json("POST", "/classes", {"name": name})["id"]
        command = {"type": "commit", "draft": {"points": [], "labels": [], **prompt}, "class_id": number}
        client.json("POST", f"/images/{picture['id']}/commands", {"command": command})
    for found in client.json("GET", f"/images/{picture['id']}/state")["objects"]:
        print(f"object of class {found['class_id']}: {found['area']} pixels, predicted IoU {found['score']:.2f}")
    target.write_bytes(client.send("GET", "/export/coco?scope=project"))
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
