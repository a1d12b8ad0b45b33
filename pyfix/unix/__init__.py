"""unix - the operating system: sockets, locks, users, signals, safe files, the log."""
