"""How fast a model is on this machine: needed arithmetic, the machine's own rate, time, memory, a table."""
