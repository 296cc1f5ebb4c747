"""Training: one loop, two kinds of update, a state that survives anything."""
