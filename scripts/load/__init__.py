"""What `scripts/bench_load.py` is made of."""
