"""server - what every daemon is made of: sessions, limits, options, privileges, reload."""
