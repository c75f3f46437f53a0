"""Faults: what breaks, when, the proof that it broke, and the proof that it is whole again."""
