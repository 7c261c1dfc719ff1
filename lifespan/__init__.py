"""How a server process ends: with the process that started it, and as soon as a signal asks it to."""

from lifespan.asked import Asked
from lifespan.parent import end_with_parent
from lifespan.signals import hear_signals

__all__ = ["Asked", "end_with_parent", "hear_signals"]
