"""`efir demo`: the whole system with sample people and the Bot API's double, on one address."""

from __future__ import annotations

from efir.demo import seed, site
from efir.server.locks import exclusive_lock
from efir.server.processes import run_components, web_component, worker_component


def run_demo(*, reset: bool) -> int:
    """Seed the demo's data unless it is there, and run web and worker. Return the exit code."""
    with exclusive_lock("web"), exclusive_lock("worker"):
        seed.prepare(reset=reset)
        return run_components(web_component(site.make_application), worker_component)
