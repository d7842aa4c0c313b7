import json

import pytest

from fini_gate.output.results import results_json
from tests.unit.verdicts import COMPLETED, many, verdict


@pytest.mark.parametrize("count", [0, 1, 1000, 2001])
def test_document__has_every_job_once(count: int) -> None:
    """However many pieces it is written in, the document is JSON with every job in order."""
    jobs = many(COMPLETED, count)
    document = json.loads("".join(results_json(verdict(*jobs, elapsed_seconds=1.26))))
    assert (document["elapsedSeconds"], [job["id"] for job in document["jobs"]]) == (1.3, [job.id for job in jobs])
