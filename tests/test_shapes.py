"""Types with shapes are jaxtyping's where it is imported, and placeholders that cost nothing elsewhere."""

from __future__ import annotations

import subprocess
import sys

import jaxtyping

from samhq import shapes


def test_with_jaxtyping_the_types_are_its_own() -> None:
    assert shapes.Float32 is jaxtyping.Float32
    assert shapes.Bool is jaxtyping.Bool


def test_without_it_they_take_a_shape_and_import_nothing() -> None:
    code = (
        "import sys; from samhq import shapes; "
        "kinds = [name for name in vars(shapes) if name[0].isupper() and name != 'TYPE_CHECKING']; "
        "[getattr(shapes, kind)[list, 'H W'] for kind in kinds]; print(len(kinds), 'jaxtyping' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    count, imported = done.stdout.split()
    assert int(count) >= 10
    assert imported == "False"
