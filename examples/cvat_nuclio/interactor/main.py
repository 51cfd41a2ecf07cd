"""What nuclio calls: the handlers are in the library."""

from samhq.integrations.nuclio import init_context, interact

handler = interact
__all__ = ["handler", "init_context"]
