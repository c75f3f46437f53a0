"""The journeys of a file of templates, ready to be travelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flashdrill.errors import ConfigError
from flashdrill.load.session import Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.load.templates.request import Prepared
from flashdrill.load.templates.scene import Scene
from flashdrill.load.templates.uses import captured_names, places, used_names
from flashdrill.load.templates.values import Values
from flashdrill.model.templates import Step

_Steps = tuple[Prepared | tuple[float, float], ...]


def journeys(spec: CrowdSpec) -> dict[str, Callable[[Session], object]]:
    """The journeys by name. Raises ConfigError for a scenario without templates, a file or a secret not there."""
    templates = spec.templates
    if templates is None:
        raise ConfigError(
            "this scenario has a locustfile of its own, and no `requests`",
            remedy="give Locust that locustfile",
        )
    values = Values(templates, places(templates, spec.stages, spec.seed))
    captured = captured_names(templates)
    prepared = {
        name: Prepared(request, values.of, used_names(request) & captured)
        for name, request in templates.requests.items()
    }

    def ready(step: Step) -> Prepared | tuple[float, float]:
        return prepared[step.request] if step.request else (step.think_from_s, step.think_to_s)

    return {
        name: partial(_travel, tuple(ready(step) for step in steps))
        for name, steps in templates.journeys.items()
    }


def _travel(steps: _Steps, session: Session) -> None:
    """One step after the other; who lacks what an answer should have told goes home."""
    scene = Scene(session)
    for step in steps:
        if isinstance(step, tuple):
            session.think(scene.rng.uniform(*step))
        elif step.needs <= scene.kept.keys():
            step.act(scene)
        else:
            return
