"""clients - how one daemon asks another: one file per service, shared by both ends."""
