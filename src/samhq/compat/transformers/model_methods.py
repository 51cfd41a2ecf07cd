"""What transformers' models can do beside their forward pass: count, save in shards, save memory while training.

Knows nothing about prompts or masks.

Source: modeling_utils.py of transformers 5.23 (names and arguments).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from samhq.checkpoint.load import fit
from samhq.compat.transformers.renaming import Renamed
from samhq.errors import CheckpointError, ConfigError, did_you_mean
from samhq.model.encoders.vit import ImageEncoderViT

Model = TypeVar("Model", bound="ModelMethods")

#: Arguments of `save_pretrained` that change nothing here, and those that would send the model somewhere.
_WITHOUT_EFFECT = ("save_peft_format", "save_original_format", "distributed_checkpoint", "token", "save_function")
_ELSEWHERE = ("push_to_hub", "variant")


class ModelMethods(Renamed):
    """Methods that all the models share."""

    config: Any
    vision_encoder: Any
    _input_hook: RemovableHandle | None = None

    @classmethod
    def _from_config(cls: type[Model], config: Any, **options: Any) -> Model:
        """A new model of a configuration; `dtype` or `torch_dtype` is that of its weights."""
        dtype = options.get("dtype", options.get("torch_dtype"))
        model = cls(config)
        return model if dtype is None else model.to(dtype)

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """How many numbers the parameters hold."""
        embeddings = {id(p) for m in self.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
        counted = [p for p in self.parameters() if not (exclude_embeddings and id(p) in embeddings)]
        return sum(p.numel() for p in counted if p.requires_grad or not only_trainable)

    def get_input_embeddings(self) -> nn.Module:
        """The layer that makes vectors of patches."""
        patches: nn.Module = self._encoder.patch_embed
        return patches

    def get_output_embeddings(self) -> nn.Module | None:
        """None: no layer makes words of vectors."""
        return None

    def enable_input_require_grads(self) -> None:
        """Let what the embedding of patches makes need gradients, although the encoder is frozen."""
        self.disable_input_require_grads()
        self._input_hook = self.get_input_embeddings().register_forward_hook(_need_gradients)

    def disable_input_require_grads(self) -> None:
        """Undo `enable_input_require_grads`."""
        if self._input_hook is not None:
            self._input_hook.remove()
        self._input_hook = None

    @property
    def _encoder(self) -> ImageEncoderViT:
        encoder: ImageEncoderViT = self.vision_encoder
        return encoder

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether the encoder's blocks are computed a second time for gradients, in place of being kept."""
        return self._encoder.recompute

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """Compute the encoder's blocks a second time for gradients: less memory, more time."""
        del gradient_checkpointing_kwargs  # torch's way without re-entering is the only one here
        self._encoder.recompute = True

    def gradient_checkpointing_disable(self) -> None:
        """Keep what the encoder's blocks make for gradients."""
        self._encoder.recompute = False

    def _hidden(self, asked: bool | None) -> bool:
        """Whether hidden states are wanted, as the call or else the configuration says."""
        return bool(getattr(self.config, "output_hidden_states", False) if asked is None else asked)

    def _attentions(self, asked: bool | None) -> bool:
        """Whether attention weights are wanted, as the call or else the configuration says."""
        return bool(getattr(self.config, "output_attentions", False) if asked is None else asked)

    def _as_dict(self, asked: bool | None) -> bool:
        """Whether the output has names, as the call or else the configuration says."""
        return bool(getattr(self.config, "return_dict", True) if asked is None else asked)

    def _write_weights(
        self,
        folder: str | os.PathLike[str],
        state_dict: Mapping[str, Tensor] | None,
        safe_serialization: bool,
        max_shard_size: int | str | None,
    ) -> None:
        """Write weights as transformers names its files; they appear when all are whole.

        Raises:
            CheckpointError: a state dict of another model.
        """
        from huggingface_hub import save_torch_state_dict

        state = self.state_dict() if state_dict is None else dict(state_dict)
        difference = fit(state, self.state_dict())
        if not difference:
            raise CheckpointError(f"Expected the state dict of this {type(self).__name__}, got {difference}.")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".weights-") as scratch:
            save_torch_state_dict(
                {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()},
                scratch,
                safe_serialization=safe_serialization,
                max_shard_size=max_shard_size or "50GB",
                metadata={"format": "pt"},
            )
            remove_weights(Path(folder))
            for path in sorted(Path(scratch).iterdir()):
                os.replace(path, Path(folder) / path.name)


def _need_gradients(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
    output.requires_grad_(True)


def check_saving(options: Mapping[str, Any]) -> None:
    """Nothing, unless `save_pretrained` got an argument that means nothing here.

    Raises:
        ConfigError: it did.
    """
    known = ("safe_serialization", "max_shard_size", "state_dict", "is_main_process", *_WITHOUT_EFFECT)
    for name, value in options.items():
        if name in _ELSEWHERE and value:
            raise ConfigError(f"save_pretrained: got {name}={value!r}. Save to a folder, and upload it by hand.")
        if name not in (*known, *_ELSEWHERE):
            raise ConfigError(f"save_pretrained: got an unexpected {name!r}. {did_you_mean(name, known)}")


def remove_weights(folder: Path, kept: str = "") -> None:
    """Remove weights of an earlier save, which could be taken for this one's."""
    patterns = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
    indices = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
    for path in [path for pattern in (*patterns, *indices) for path in folder.glob(pattern)]:
        if path.name != kept:
            path.unlink()
