"""Ask Fini's API about jobs and articles. The only package that uses `requests` and `backoff`.

A poll passes through these modules in order: `api` cuts the jobs into batches, `scheduler` runs the batches
concurrently, `bisection` completes one batch, `retry` sends one request until it gets a final response, `status_route`
sends it once, `transport` bounds it in time and size. `responses` and `failures` say what came back, `throttle` holds
the limits that the API has shown. `articles` looks up titles.
"""

from fini_gate.client.api import FiniClient
from fini_gate.client.articles import Article, ArticleLookup
from fini_gate.client.transport import Transport

__all__ = ["Article", "ArticleLookup", "FiniClient", "Transport"]
