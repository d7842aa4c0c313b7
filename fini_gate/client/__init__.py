"""Ask Fini's API about jobs, articles and sources. The only package that uses `requests` and `backoff`.

A poll passes through these modules in order: `api` cuts the IDs into batches, `scheduler` runs the batches
concurrently, `bisection` completes a batch of jobs and `lookup` one of articles or sources, `retry` sends one request
until it gets a final response, `sender` sends it once, `transport` bounds it in time and size. `routes` says what a
request looks like, `responses` and `failures` what came back. `throttle` holds the limits that the API has shown.
"""

from fini_gate.client.api import FiniClient
from fini_gate.client.transport import Transport

__all__ = ["FiniClient", "Transport"]
