"""Jobs over many pictures, from Python: a work, the pictures, and an engine that runs them.

    from pathlib import Path
    from samhq.batch import GivenPrompts, MaskFiles, SegmentWork, items_of, run_job
    from samhq import Prompt

    out = Path("masks")
    work = SegmentWork(MaskFiles(out), GivenPrompts([Prompt(box=[10, 20, 300, 400])]))
    run_job(items_of(sorted(Path("photos").glob("*.jpg"))), work, out, resume=True, workers=2)

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samhq.batch.answers import Question as Question
    from samhq.batch.dataset import export_job as export_job
    from samhq.batch.detect import DetectWork as DetectWork
    from samhq.batch.embed import EmbedWork as EmbedWork
    from samhq.batch.engine import Engine as Engine
    from samhq.batch.engine import Loop as Loop
    from samhq.batch.engine import Processes as Processes
    from samhq.batch.everything import EverythingWork as EverythingWork
    from samhq.batch.job import Item as Item
    from samhq.batch.job import Outcome as Outcome
    from samhq.batch.job import Report as Report
    from samhq.batch.job import Tally as Tally
    from samhq.batch.job import items_of as items_of
    from samhq.batch.job import run_job as run_job
    from samhq.batch.plan import plan_job as plan_job
    from samhq.batch.prompts import GivenPrompts as GivenPrompts
    from samhq.batch.ray_engine import RayEngine as RayEngine
    from samhq.batch.rows import read_rows as read_rows
    from samhq.batch.search import TextSettings as TextSettings
    from samhq.batch.segment import SegmentWork as SegmentWork
    from samhq.batch.settings import BandSettings as BandSettings
    from samhq.batch.settings import EmbeddingSettings as EmbeddingSettings
    from samhq.batch.settings import EverythingFiles as EverythingFiles
    from samhq.batch.settings import MaskFiles as MaskFiles
    from samhq.batch.settings import ModelSettings as ModelSettings
    from samhq.batch.settings import RefineSettings as RefineSettings
    from samhq.batch.settings import TileSettings as TileSettings
    from samhq.batch.sharded import run_sharded as run_sharded
    from samhq.batch.status import job_status as job_status

_NAMES = {
    "answers": ["Question"],
    "dataset": ["export_job"],
    "detect": ["DetectWork"],
    "embed": ["EmbedWork"],
    "engine": ["Engine", "Loop", "Processes"],
    "everything": ["EverythingWork"],
    "job": ["Item", "Outcome", "Report", "Tally", "items_of", "run_job"],
    "plan": ["plan_job"],
    "prompts": ["GivenPrompts"],
    "ray_engine": ["RayEngine"],
    "rows": ["read_rows"],
    "search": ["TextSettings"],
    "segment": ["SegmentWork"],
    "settings": [
        "BandSettings",
        "EmbeddingSettings",
        "EverythingFiles",
        "MaskFiles",
        "ModelSettings",
        "RefineSettings",
        "TileSettings",
    ],
    "sharded": ["run_sharded"],
    "status": ["job_status"],
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"samhq.batch.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
