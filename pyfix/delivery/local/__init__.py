"""local - delivers to the users of this machine, their aliases, files and commands."""
