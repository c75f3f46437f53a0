"""Recorded traffic of other tools into a traffic model."""
