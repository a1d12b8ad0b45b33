"""master - the supervisor. Standard library only: it is the root process."""
