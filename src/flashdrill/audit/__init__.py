"""Checkers: the history of operations against the final reads of every shard."""
