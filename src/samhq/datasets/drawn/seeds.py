"""The ranges of scene seeds for each use of drawn scenes. No two uses ever draw the same scene.

from 0       endless scenes of training runs, 2^32 seeds for each run seed
from 2^58    sets of scenes for training (`scenes:COUNT` in training), 2^32 seeds for each set
from 3*2^58  data sets that `samhq data make` writes, 2^32 seeds for each
from 2^60    scenes that training never uses
"""

from __future__ import annotations

_EACH = 1 << 32
_ATTEMPT = 1 << 28
_SETS = 1 << 58
_MADE = 3 << 58
#: The first seed of scenes that training never uses.
UNSEEN = 1 << 60


def run_seed(run: int, index: int, attempt: int = 0) -> int:
    """The seed of picture `index` of a training run; another attempt gives another scene.

    >>> run_seed(0, 5) == run_seed(1, 5)
    False
    """
    return run * _EACH + index + attempt * _ATTEMPT


def set_seed(number: int) -> int:
    """The first seed of a set of scenes for training."""
    return _SETS + number * _EACH


def made_seed(number: int) -> int:
    """The first seed of a data set that `samhq data make` writes."""
    return _MADE + number * _EACH
