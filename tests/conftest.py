"""What holds for every test: a shared, noisy machine is no reason to fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("flashdrill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("flashdrill")
