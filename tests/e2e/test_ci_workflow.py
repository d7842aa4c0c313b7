from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.e2e.conftest import Act, Provided

ROOT = Path(__file__).resolve().parents[2]

# act builds the image itself, from the copy of the repository that it runs in.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]


def test_ci__tries_the_action(act: Act) -> None:
    """CI's job passes for each of its cases, and fails for one that expects what does not come."""
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["action"]
    cases = job["strategy"]["matrix"]["include"]
    wrong = {**cases[0], "case": "wrong", "outputs": '{"job-count": "3"}'}
    # One at a time: they would build images of one name.
    strategy = {"fail-fast": False, "max-parallel": 1, "matrix": {"include": [*cases, wrong]}}
    ended = act({"action": {**job, "runs-on": "ubuntu-latest", "strategy": strategy}})
    compared = ended.printed_by_step["Compare"]
    as_expected = [line for line in compared if line.endswith(": as expected")]
    assert sorted(as_expected) == sorted(f"{case['case']}: as expected" for case in cases), ended.log
    assert '>   "job-count": "2"' in compared
    assert ended.exit_code != 0


def test_image_size__is_held_to_a_limit(image: str, provided: Provided) -> None:
    """What the image adds to its base is told, and more than is allowed fails."""
    for limit, exit_code in (("10", 0), ("0", 1)):
        ended = subprocess.run(  # noqa: S603 - the project's own script
            [ROOT / ".ci" / "image-size", image, provided.base_image, limit],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert ended.returncode == exit_code, ended.stderr
        assert f" MB to {provided.base_image}; the limit is {limit} MB\n" in ended.stdout
