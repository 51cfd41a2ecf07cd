"""What every test shares: checked annotations, a quiet machine, and the tiny models as fixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # so that tests can say `from tests import tiny`
assert "samhq" not in sys.modules, "samhq was imported before its annotations could be checked"

import tests.shape_checks  # noqa: E402

jaxtyping.install_import_hook("samhq", f"{tests.shape_checks.__name__}.checked")

import torch  # noqa: E402

from samhq.model.sam import Sam  # noqa: E402
from tests import tiny  # noqa: E402

torch.set_num_threads(1)
settings.register_profile("samhq", deadline=None)  # a busy machine is no failure
settings.load_profile("samhq")


@pytest.fixture
def plain() -> Sam:
    """A plain SAM with a ViT; shared, so not to be changed."""
    return tiny.shared(tiny.PLAIN)


@pytest.fixture
def hq() -> Sam:
    """A SAM-HQ with a ViT; shared, so not to be changed."""
    return tiny.shared(tiny.HQ)


@pytest.fixture
def light() -> Sam:
    """A Light HQ-SAM: HQ heads on a TinyViT; shared, so not to be changed."""
    return tiny.shared(tiny.LIGHT)


@pytest.fixture(params=tiny.ALL, ids=lambda config: config.name)
def any_sam(request: pytest.FixtureRequest) -> Sam:
    """Each kind of network in turn: the three above, SAM 2 and HQ-SAM 2; shared, so not to be changed."""
    return tiny.shared(request.param)


@pytest.fixture(params=tiny.FIRST, ids=lambda config: config.name)
def first_sam(request: pytest.FixtureRequest) -> Sam:
    """Each of the first three in turn."""
    return tiny.shared(request.param)


@pytest.fixture(scope="session")
def hq_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported files of `tests.tiny.HQ`; shared, so not to be changed."""
    from tests import exported

    return exported.folder(tmp_path_factory, tiny.HQ)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Annotations are not checked: for tests that break one on purpose without the function minding."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
