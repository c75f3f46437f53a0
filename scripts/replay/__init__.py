"""What `scripts/replay_exact.py` is made of."""
