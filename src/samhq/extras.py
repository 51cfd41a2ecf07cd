"""The error for a missing package that belongs to an extra, such as `samhq[onnx]`.

Knows nothing about what the packages do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from samhq.errors import MissingExtraError


@contextmanager
def from_extra(extra: str, purpose: str) -> Iterator[None]:
    """A context for imports. If one fails, the error names the package, its purpose and the extra to install.

    >>> with from_extra("geo", "GeoTIFF"):
    ...     import no_package
    Traceback (most recent call last):
    samhq.errors.MissingExtraError: Expected the package no_package for GeoTIFF, got none. Run: pip install 'samhq[geo]'

    Raises:
        MissingExtraError: a package is not installed, or does not load.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package((error.name or "").split(".")[0], extra, purpose) from error
    except ImportError as error:
        raise MissingExtraError(
            f"Expected the packages of samhq[{extra}] for {purpose}, got one that does not load: {error}. "
            f"Run: pip install --force-reinstall 'samhq[{extra}]'"
        ) from error


def missing_package(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for one package, for code that does not import it itself."""
    return MissingExtraError(
        f"Expected the package {package} for {purpose}, got none. Run: pip install 'samhq[{extra}]'"
    )
