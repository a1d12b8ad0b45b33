"""bounce - keeps the logs of failed, deferred and traced recipients."""
