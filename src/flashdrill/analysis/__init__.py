"""What the history says: statistics, validity, gates, recovery, the bottleneck and the verdict. All pure."""
