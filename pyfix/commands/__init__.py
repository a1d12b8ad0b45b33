"""commands - the administrator's commands, under Postfix's names."""
