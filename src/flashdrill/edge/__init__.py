"""The edge: a proxy of ours that knows HTTP and connections, for the faults that Toxiproxy has not."""
