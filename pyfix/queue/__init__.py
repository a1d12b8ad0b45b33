"""queue - the on-disk queue: names, records, files, directories, moves, bounce logs."""
