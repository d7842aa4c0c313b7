"""Ask Fini's API about jobs and articles. The only package that uses `requests` and `backoff`.

A poll goes down this list and back: `api` cuts the jobs into batches, `scheduler` runs the batches side by side,
`bisection` takes one batch to its end, `retry` sends one request until it gets a final response, `status_route` sends
it once, `transport` bounds it in time and size. `responses` and `failures` say what came back, `throttle` remembers how
much the API takes. `articles` looks up titles.
"""

from fini_gate.client.api import FiniClient
from fini_gate.client.articles import Article, ArticleLookup
from fini_gate.client.transport import Transport

__all__ = ["Article", "ArticleLookup", "FiniClient", "Transport"]
