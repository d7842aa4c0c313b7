"""The reference for cost: posts the same batches with a bare requests session, and decodes the responses."""

import json
import sys
from pathlib import Path

import requests

url, api_key, path = sys.argv[1:]
session = requests.Session()
session.headers["Authorization"] = f"Bearer {api_key}"
job_ids = [job["backgroundJobId"] for job in json.loads(Path(path).read_bytes())["jobs"]]
for start in range(0, len(job_ids), 100):
    batch = job_ids[start : start + 100]
    response = session.post(f"{url}/v2/knowledge/public/jobs/status", json={"jobIds": batch}, timeout=30)
    if len(json.loads(response.content)["jobs"]) != len(batch):
        sys.exit("rows are missing")
