"""wire - protocols as state machines: bytes in, events out. No clock, socket, log or configuration."""
