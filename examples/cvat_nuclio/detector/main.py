"""What nuclio calls: the handlers are in the library."""

from samhq.integrations.nuclio import detect, init_context

handler = detect
__all__ = ["handler", "init_context"]
