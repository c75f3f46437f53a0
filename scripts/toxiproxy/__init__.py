"""The two ends between which `make bench-toxiproxy` puts a Toxiproxy."""
