"""What `make soak-healing` is made of."""
