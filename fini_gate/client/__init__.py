"""Job IDs in, what Fini says of them out. The only package that knows `requests` and `backoff`.

`transport` sends one request within its limits, `answers` says what an answer means (pure), and `client` asks for all
jobs: in batches, again where time may heal, by halves where one ID fails the others. `articles` looks up titles.
"""

from fini_gate.client.api import FiniClient
from fini_gate.client.articles import Article, look_up_articles
from fini_gate.client.transport import Transport

__all__ = ["Article", "FiniClient", "Transport", "look_up_articles"]
