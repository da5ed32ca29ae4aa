#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# start-openclaw.sh [list | MODEL]
BRIDGE=http://127.0.0.1:54321/engines/llama.cpp/v1

if ! curl -s -o /dev/null --noproxy '*' $BRIDGE/models; then
  node ~/model-runner-bridge.js > ~/bridge.log 2>&1 &
  for _ in $(seq 60); do
    curl -s -o /dev/null --noproxy '*' $BRIDGE/models && break
    sleep 0.5
  done
fi

MODELS=$(curl -s --noproxy '*' $BRIDGE/models | node -e '
  let s = ""; process.stdin.on("data", (d) => (s += d)).on("end", () => JSON.parse(s).data.forEach((m) => console.log(m.id)))')
if [ -z "$MODELS" ]; then
  echo "No models: is Docker Model Runner on, and localhost allowed?"
  exit 1
fi
if [ "$1" = list ]; then
  echo "$MODELS"
  exit
fi
MODEL=${1:-$(echo "$MODELS" | head -n 1)}

mkdir -p ~/.openclaw
cat > ~/.openclaw/openclaw.json <<JSON
{
  "models": {
    "mode": "merge",
    "providers": {
      "docker-model-runner": {
        "baseUrl": "$BRIDGE",
        "apiKey": "not-needed",
        "api": "openai-completions",
        "models": [{ "id": "$MODEL", "name": "$MODEL", "reasoning": false, "input": ["text"],
          "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 }, "contextWindow": 131072, "maxTokens": 4096 }]
      }
    }
  },
  "agents": { "defaults": { "workspace": "$PWD", "model": { "primary": "docker-model-runner/$MODEL" } } },
  "gateway": { "mode": "local" }
}
JSON
echo "Starting OpenClaw with $MODEL"
exec openclaw tui --local
