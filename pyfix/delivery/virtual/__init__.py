"""virtual - delivers to the mailboxes of virtual domains."""
