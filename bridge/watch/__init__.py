"""What the bridge tells its admin: one log line a request, metrics."""
