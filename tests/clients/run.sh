#!/usr/bin/env bash
# Runs the clients of other makers against the Parley at PARLEY_URL, with the token PARLEY_TOKEN.
# It wants the built-in demo model at its own pace: `stop` is tested in the middle of an answer.
set -uo pipefail
: "${PARLEY_URL:?is where Parley listens, such as http://127.0.0.1:4320}"
: "${PARLEY_TOKEN:?is the token of a user}"
export PARLEY_URL PARLEY_TOKEN
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

failed=()
(cd ai-sdk-4 && npm ci --no-audit --no-fund && npm test) || failed+=(ai-sdk-4)
(cd ui && npm ci --no-audit --no-fund --loglevel error &&
  deno run -A --config ../../../deno.json scripted.ts npm test) || failed+=(ui)
(cd go && go test -count=1 ./...) || failed+=(go)

if ((${#failed[@]} > 0)); then
  echo "clients that failed: ${failed[*]}" >&2
  exit 1
fi
