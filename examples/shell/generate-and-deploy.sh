#!/bin/sh
# Queues knowledge jobs, waits for all of them, and deploys only if every job completed. Works in any CI, and in cron.
# Needs curl and fini-gate (pipx install fini-gate==0.1.0), and the environment variables FINI_API_KEY (scope read),
# FINI_WRITE_KEY (scope write) and FINI_SOURCE_IDS: a JSON array of source IDs, as List sources
# (GET /v2/documents/public) returns them.
set -eu

body=$(printf '{"documentIds": %s, "origin": "sources", "isDraft": false}' "$FINI_SOURCE_IDS")
printf 'Authorization: Bearer %s' "$FINI_WRITE_KEY" | curl --silent --show-error --fail-with-body \
  --header @- --header 'Content-Type: application/json' --data "$body" --output jobs.json \
  "${FINI_GATE_API_URL:-https://api-prod.usefini.com}/v2/knowledge/public/bulk"

# Ends the script unless every job completed. Exit code 3: some are still pending, and the same line waits again.
fini-gate --job-ids-file jobs.json --junit-file fini-gate.xml --dotenv-file fini-gate.env

article_count=$(sed -n 's/^FINI_GATE_ARTICLE_COUNT=//p' fini-gate.env)
echo "Deploy with $article_count articles here"
