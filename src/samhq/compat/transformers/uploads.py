"""The error of `push_to_hub`. Knows nothing about models."""

from __future__ import annotations

from typing import Any, NoReturn

from samhq.errors import ConfigError


class NoUpload:
    """A base for what transformers can send to the hub."""

    def push_to_hub(self, repo_id: Any = None, **_: Any) -> NoReturn:
        """Refused: samhq only downloads.

        Raises:
            ConfigError: always; the message says how to upload a saved folder.
        """
        raise upload_refused(repo_id)


def upload_refused(repo_id: Any) -> ConfigError:
    """The error for a wish to upload."""
    name = repo_id if isinstance(repo_id, str) else "USER/NAME"
    return ConfigError(
        "Expected a folder of this machine to save to, got a wish to upload to the hub, which samhq does not do. "
        f'Call save_pretrained("folder"), then run: hf upload {name} folder'
    )
