"""qmgr - the queue manager: schedules delivery."""
