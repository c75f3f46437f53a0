"""Crowds that are made of request templates: `requests: FILE.yaml` in a scenario, in the place of a locustfile."""

from __future__ import annotations

from pathlib import Path

LOCUSTFILE = Path(__file__).parent / "locustfile" / "customers.py"
"""The locustfile that plays any templates. Its folder has nothing else: Locust puts it in front of the import path."""
