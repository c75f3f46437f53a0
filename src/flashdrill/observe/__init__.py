"""Samplers: what the service, its stores and the machine say about themselves while a run goes on."""
