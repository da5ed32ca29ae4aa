#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# start-openclaw.sh                        OpenClaw with a model of the local model runner; asks which on a terminal
# start-openclaw.sh list                   the models
# start-openclaw.sh MODEL                  with this one; a part of its name that fits one model only will do
# start-openclaw.sh [MODEL] exec PROMPT    one turn, without a conversation
# start-openclaw.sh [MODEL] gateway        OpenClaw's gateway on port 18789, its token in ~/.openclaw/openclaw.json
set -euo pipefail
config=$HOME/.openclaw/openclaw.json
sandbox=${CREEL_SANDBOX:-NAME}

fail() { echo "start-openclaw: $*" >&2; exit 1; }

# ---------------------------------------------------------------- the model runner
# Sets base and models (JSON). 0: found, 1: nothing there. A refusal of the sandbox's proxy ends it all.
ask() {
    local path answer status
    for path in /engines/v1 /engines/llama.cpp/v1 /v1; do
        answer=$(curl --noproxy '*' -sS -m 20 -w '\n%{http_code} %header{creel-denied}' "$1$path/models" 2> /dev/null) || return 1
        status=${answer##*$'\n'}
        case $status in
        '200 ') ;;
        '403 '*) fail "this sandbox may not reach the model runner; on the host: creel network proxy $sandbox --allow-host localhost" ;;
        ??????*) fail "no model runner answers on port 12434 of the host; start it, or see: creel network log $sandbox" ;;
        *) continue ;;
        esac
        models=${answer%$'\n'*}
        if jq -e '.data | type == "array"' > /dev/null 2>&1 <<< "$models"; then
            base=$1$path
            return 0
        fi
    done
    return 1
}

find_runner() {
    local _
    if ask http://localhost:12434; then return; fi
    # Not in a creel: the way is a proxy that opens the host's localhost, which needs a bridge
    if [ -z "${CREEL_SANDBOX:-}" ]; then
        if ! curl --noproxy '*' -s -m 2 -o /dev/null http://127.0.0.1:54321/; then
            setsid node /usr/local/lib/openclaw/bridge.mjs < /dev/null > /tmp/openclaw-bridge.log 2>&1 &
            for _ in $(seq 100); do
                if curl --noproxy '*' -s -m 2 -o /dev/null http://127.0.0.1:54321/; then break; fi
                sleep 0.2
            done
        fi
        if ask http://127.0.0.1:54321; then return; fi
    fi
    fail "there is no model runner on port 12434 of the host; start it, and allow it: creel network proxy $sandbox --allow-host localhost"
}

names() { jq -r '.data[].id | select(type == "string" and test("^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$"))' <<< "$models"; }

# ---------------------------------------------------------------- which model
# One that is named so, or the only one whose name has WORD in it
choose() {
    local word=$1 found=()
    if grep -Fqx -- "$word" <<< "$all"; then
        echo "$word"
        return
    fi
    mapfile -t found < <(grep -F -- "$word" <<< "$all")
    case ${#found[@]} in
    1) echo "${found[0]}" ;;
    0) fail "there is no model $word; there are: ${all//$'\n'/, }" ;;
    *) fail "several models fit $word: $(printf '%s, ' "${found[@]}" | sed 's/, $//')" ;;
    esac
}

last() { jq -r '.agents.defaults.model.primary // "" | ltrimstr("model-runner/")' "$config" 2> /dev/null || true; }

menu() {
    local default=$1 answer list
    mapfile -t list <<< "$all"
    for i in "${!list[@]}"; do
        printf '%3d  %s%s\n' $((i + 1)) "${list[i]}" "$([ "${list[i]}" = "$default" ] && echo '  (Enter)')" >&2
    done
    while read -r -p "Which model? " answer; do
        if [ -z "$answer" ]; then
            echo "$default"
            return
        elif [[ $answer =~ ^[0-9]{1,4}$ ]] && [ "$answer" -ge 1 ] && [ "$answer" -le ${#list[@]} ]; then
            echo "${list[answer - 1]}"
            return
        fi
        (choose "$answer") && return
    done
    exit 1
}

# ---------------------------------------------------------------- OpenClaw's configuration
write_config() {
    local old='{}' new token
    mkdir -p "${config%/*}"
    if [ -s "$config" ]; then
        old=$(jq -e 'select(type == "object")' "$config" 2> /dev/null) || fail "$config is not plain JSON, so nothing can be added to it; move it away"
    fi
    token=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    # What is there stays, but for the provider, the model and where the work is
    new=$(jq --arg base "$base" --arg model "$model" --arg folder "$PWD" --arg token "$token" --argjson models "$models" '
        .models.mode //= "merge"
        | .models.providers["model-runner"] = {
            baseUrl: $base, apiKey: "not-needed", api: "openai-completions",
            models: [$models.data[] | select(.id | type == "string") | {
                id, name: .id, reasoning: false, input: ["text"], cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
                contextWindow: (.meta.n_ctx? // 131072), maxTokens: 8192 }] }
        | .agents.defaults.model.primary = "model-runner/" + $model
        | .agents.defaults.workspace = $folder
        | .agents.defaults.skipBootstrap //= true
        | .gateway.mode = "local"
        | .gateway.auth.mode //= "token"
        | .gateway.auth.token //= $token' <<< "$old")
    (umask 077; printf '%s\n' "$new" > "$config.new")
    mv "$config.new" "$config"
}

# ---------------------------------------------------------------- words
model='' mode=''
case ${1:-} in
-h | --help)
    sed -n 's/^# \(start-openclaw.*\)/\1/p' "$0"
    exit
    ;;
-*) fail "unknown option $1; see: start-openclaw.sh --help" ;;
esac
case ${1:-} in '' | list | exec | gateway) ;; *) model=$1; shift ;; esac
mode=${1:-}
case $mode in
'') ;;
list | gateway) [ $# = 1 ] || fail "$mode takes no words; see: start-openclaw.sh --help" ;;
exec) [ $# -ge 2 ] || fail "exec needs a prompt"; shift ;;
*) fail "$mode is neither list, exec nor gateway; see: start-openclaw.sh --help" ;;
esac

find_runner
all=$(names)
[ -n "$all" ] || fail "the model runner has no model; on the host: creel model pull ai/gpt-oss"
if [ "$mode" = list ]; then
    echo "$all"
    exit
fi
if [ -n "$model" ]; then
    model=$(choose "$model")
else
    model=$(last)
    if [ -z "$model" ] || ! grep -Fqx -- "$model" <<< "$all"; then model=$(head -n 1 <<< "$all"); fi
    if [ -z "$mode" ] && [ -t 0 ] && [ -t 2 ] && [ "$(wc -l <<< "$all")" -gt 1 ]; then model=$(menu "$model"); fi
fi
write_config
case $mode in
exec) exec openclaw agent exec "$@" --cwd "$PWD" ;;
gateway) exec openclaw gateway run --port 18789 ;;
*)
    echo "OpenClaw with $model" >&2
    exec openclaw tui --local
    ;;
esac
