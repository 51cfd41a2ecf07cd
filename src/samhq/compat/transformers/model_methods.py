"""Methods of transformers' models beside the forward pass: counting parameters, saving shards, gradient checkpointing.

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
from samhq.compat.transformers.uploads import NoUpload, upload_refused
from samhq.errors import CheckpointError, ConfigError, did_you_mean
from samhq.model.encoders.vit import ImageEncoderViT

Model = TypeVar("Model", bound="ModelMethods")

#: Arguments of `save_pretrained` that have no effect here, and those that would upload the model.
_WITHOUT_EFFECT = ("save_peft_format", "save_original_format", "distributed_checkpoint", "token", "save_function")
_ELSEWHERE = ("push_to_hub", "variant", "repo_id")


class ModelMethods(NoUpload, Renamed):
    """The common methods of all models."""

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
        """The number of values in all parameters; `only_trainable` counts those with gradients."""
        embeddings = {id(p) for m in self.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
        counted = [p for p in self.parameters() if not (exclude_embeddings and id(p) in embeddings)]
        return sum(p.numel() for p in counted if p.requires_grad or not only_trainable)

    def get_input_embeddings(self) -> nn.Module:
        """The layer that embeds patches."""
        patches: nn.Module = self._encoder.patch_embed
        return patches

    def get_output_embeddings(self) -> nn.Module | None:
        """None: the model has no output embeddings."""
        return None

    def enable_input_require_grads(self) -> None:
        """Makes the patch embeddings require gradients, also if the encoder is frozen."""
        self.disable_input_require_grads()
        self._input_hook = self.get_input_embeddings().register_forward_hook(_need_gradients)

    def disable_input_require_grads(self) -> None:
        """Undoes `enable_input_require_grads`."""
        if self._input_hook is not None:
            self._input_hook.remove()
        self._input_hook = None

    @property
    def _encoder(self) -> ImageEncoderViT:
        encoder: ImageEncoderViT = self.vision_encoder
        return encoder

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether the backward pass computes the encoder's blocks again."""
        return self._encoder.recompute

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """Computes the encoder's blocks again in the backward pass: less memory, more time."""
        del gradient_checkpointing_kwargs  # Only torch's non-reentrant variant is supported.
        self._encoder.recompute = True

    def gradient_checkpointing_disable(self) -> None:
        """Keeps the activations of the encoder's blocks for the backward pass."""
        self._encoder.recompute = False

    def _hidden(self, argument: bool | None) -> bool:
        """Whether to return hidden states: the call's argument, or if it is None the configuration's."""
        return bool(getattr(self.config, "output_hidden_states", False) if argument is None else argument)

    def _attentions(self, argument: bool | None) -> bool:
        """Whether to return attention weights: the call's argument, or if it is None the configuration's."""
        return bool(getattr(self.config, "output_attentions", False) if argument is None else argument)

    def _as_dict(self, argument: bool | None) -> bool:
        """Whether the output has names: the call's argument, or if it is None the configuration's."""
        return bool(getattr(self.config, "return_dict", True) if argument is None else argument)

    def _write_weights(
        self,
        folder: str | os.PathLike[str],
        state_dict: Mapping[str, Tensor] | None,
        safe_serialization: bool,
        max_shard_size: int | str | None,
    ) -> None:
        """Writes weights under transformers' file names; the files appear when all are complete.

        Raises:
            CheckpointError: a state dict of another model.
        """
        from huggingface_hub import save_torch_state_dict

        state = self.state_dict() if state_dict is None else dict(state_dict)
        match = fit(state, self.state_dict())
        if not match:
            raise CheckpointError(
                f"Expected the state dict of this {type(self).__name__}, got {match}. Pass model.state_dict()."
            )
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
    """Refuses arguments of `save_pretrained` that do not exist or would upload the model.

    Raises:
        ConfigError: there is one.
    """
    known = ("safe_serialization", "max_shard_size", "state_dict", "is_main_process", *_WITHOUT_EFFECT)
    for name, value in options.items():
        if name == "push_to_hub" and value:
            raise upload_refused(options.get("repo_id"))
        if name in _ELSEWHERE and value:
            raise ConfigError(f"save_pretrained: got {name}={value!r}. Rename the files afterwards, by hand.")
        if name not in (*known, *_ELSEWHERE):
            raise ConfigError(f"save_pretrained: got an unexpected {name!r}. {did_you_mean(name, known)}")


def remove_weights(folder: Path, kept: str = "") -> None:
    """Deletes weights of an earlier save, which could be mistaken for this one's, except the file named `kept`."""
    patterns = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
    indices = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
    for path in [path for pattern in (*patterns, *indices) for path in folder.glob(pattern)]:
        if path.name != kept:
            path.unlink()
