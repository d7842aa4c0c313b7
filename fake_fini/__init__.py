"""A local stand-in for Fini's API: real sockets on loopback, with jobs and faults from a scenario.

In a test: `with FakeFini(Scenario.from_mapping({...})) as api:`, then send requests to `api.url`.
On the command line: `python -m fake_fini --help`.

Read the modules in this order: reading, jobs, articles, sources, messages, routes, faults, scenario, server.
"""

from fake_fini.reading import ScenarioError
from fake_fini.scenario import Scenario
from fake_fini.server import FakeFini

__all__ = ["FakeFini", "Scenario", "ScenarioError"]
