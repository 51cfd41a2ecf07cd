"""The array types of jaxtyping (dtype and shape) if another module has imported jaxtyping, else placeholders.

Annotations are text at run time. The command and code without torch do not read them, and importing jaxtyping takes as
long as segmenting a small picture. Modules that use torch import jaxtyping directly.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.modules.get("jaxtyping"):
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int as Int
    from jaxtyping import Int64 as Int64
    from jaxtyping import Integer as Integer
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt as UInt
    from jaxtyping import UInt8 as UInt8
else:

    class _Unread:
        """The placeholder for each of the types."""

        def __class_getitem__(cls, _: object) -> type:
            return cls

    Bool = Float = Float32 = Float64 = Int = Int64 = Integer = Shaped = UInt = UInt8 = _Unread
