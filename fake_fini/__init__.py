"""A local stand-in for Fini's API: real sockets on loopback, jobs and faults read from a scenario.

In a test: `with FakeFini(Scenario.from_mapping({...})) as api:` and talk to `api.url`.
On the command line: `python -m fake_fini --help`.

The order in which to read the modules: `reading` → `scenario` (and `faults`) → `workspace` → `routes` → `server`.
"""

from fake_fini.reading import ScenarioError
from fake_fini.scenario import Scenario
from fake_fini.server import FakeFini, RecordedRequest

__all__ = ["FakeFini", "RecordedRequest", "Scenario", "ScenarioError"]
