"""What `scripts/bench_load.py` and `scripts/stall.py` are made of."""
