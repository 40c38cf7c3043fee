"""What survives a restart and what workers share."""
