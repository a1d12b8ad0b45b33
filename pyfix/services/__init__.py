"""services - the small daemons, one file each."""
