"""Compiles the parts of a network that take most of the time, with `torch.compile`. Knows nothing of what they compute.

Compiled are the encoder as a whole and the decoder's transformer. State dicts, and all that takes the network, stay as
they are.
"""

from __future__ import annotations

from samhq.model.sam import Sam


def compile_parts(model: Sam, backend: str = "inductor") -> Sam:
    """The same model, which from now on compiles these parts when they first run.

    The encoder is compiled for fixed shapes and the transformer for any number of prompts. The results differ only by
    rounding. PyTorch keeps compiled code on disk (TORCHINDUCTOR_CACHE_DIR), so that a later process compiles faster. On
    a CPU the "inductor" backend needs a C++ compiler.
    """
    model.image_encoder.compile(backend=backend)
    model.mask_decoder.transformer.compile(backend=backend, dynamic=True)
    return model
