"""bench - pyfix measured beside real Postfix, in one run, on one machine."""
