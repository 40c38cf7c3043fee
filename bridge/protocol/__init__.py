"""What the parties say to each other, as pure functions and values: no I/O, no clock, no randomness."""
