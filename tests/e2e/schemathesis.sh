#!/bin/sh
# Asks a running Parley everything that its OpenAPI document allows, and much that it does not, and
# fails where an answer is not what the document says. Takes about a minute; asks the same each time.
#
#     tests/e2e/schemathesis.sh http://127.0.0.1:4320 TOKEN
#
# $SCHEMATHESIS names the program, if it is not on the PATH (4.32 or later).
set -eu

if [ $# -ne 2 ]; then
  echo "Usage: $0 URL TOKEN" >&2
  exit 2
fi
url=${1%/}
token=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cat >"$work/schemathesis.toml" <<'TOML'
request-timeout = 30
continue-on-failure = true
max-redirects = 0

[generation]
deterministic = true
max-examples = 12
database = "none"

[cache]
enabled = false

[warnings]
enabled = false

[phases.stateful]
max-steps = 5

# Its answer never ends.
[[operations]]
include-operation-id = "watchChats"
enabled = false

# A schema cannot say which models there are, what came with a key, or that a message is empty.
[[operations]]
include-operation-id = "createMessage"
generation.max-examples = 4
checks.positive_data_acceptance.enabled = false

# Nor which messages a chat has, which cursors belong to a branch, or that a position names its run, and
# the same one as `run`.
[[operations]]
include-operation-id-regex = "^(updateChat|forkChat|listMessages|resumeStream|resumeClientStream)$"
checks.positive_data_acceptance.enabled = false
TOML

cd "$work"
"${SCHEMATHESIS:-schemathesis}" --config-file "$work/schemathesis.toml" run "$url/openapi.json" \
  --header "Coder-Session-Token: $token"
