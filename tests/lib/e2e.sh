# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts tests/e2e/NN-name/run: they run on the machine, against a bed in which Creel is installed (tests/e2e/prepare).
#
#   as USER CMD...          in USER's real session, keyring unlocked          root CMD...   as root, in the bed
#   ok TEXT CMD...          succeeds                     not_ok TEXT CMD...             fails, and not for want of time
#   is TEXT WANT CMD...     prints exactly WANT          like TEXT REGEX CMD...         what it prints matches (ERE, any status)
#   exits TEXT N CMD...     ends with status N           refused TEXT REGEX CMD...      fails, and what it prints matches
#   eventually TEXT SECONDS CMD...                       succeeds within SECONDS
#   note TEXT               a line for people            skip TEXT WHY
#
# stdin of a checked command is /dev/null, its output is shown only when the check fails.
set -uo pipefail

E2E_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E_NAME=$(basename "$(dirname "$(readlink -f "$0")")")
: "${CREEL_BED:=bedtests}" "${CREEL_ARTIFACTS:=$E2E_TOP/build-release/artifacts}" "${E2E_TIMEOUT:=150}"
export BED_CMD_TIMEOUT=$E2E_TIMEOUT
e2e_n=0 e2e_failed=0 e2e_out=$(mktemp "/tmp/creel-e2e.XXXXXX")

bed() { local verb=$1; shift; "$E2E_TOP/tests/bed/bed" "$verb" "$CREEL_BED" "$@"; }
as() { bed user "$@"; }
root() { bed run "$@"; }
note() { echo "# $*"; }

e2e_result() { # STATUS TEXT [WHY]
    e2e_n=$((e2e_n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $e2e_n - $E2E_NAME: $2"
    else
        e2e_failed=$((e2e_failed + 1))
        echo "not ok $e2e_n - $E2E_NAME: $2"
        echo "#   ${3:-}"
        head -c 3000 "$e2e_out" | sed 's/^/#   | /'
    fi
    return 0
}
# Functions of the script can be checked too, so this is not `timeout CMD`: as and root bound what runs in the bed
e2e_run() { "$@" < /dev/null > "$e2e_out" 2>&1; }

ok() { local t=$1 s=0; shift; e2e_run "$@" || s=$?; e2e_result $s "$t" "status $s of: $*"; }
not_ok() {
    local t=$1 s=0
    shift
    e2e_run "$@" || s=$?
    case $s in
    0) e2e_result 1 "$t" "succeeded: $*" ;;
    124 | 125 | 255) e2e_result 1 "$t" "did not end by itself, status $s: $*" ;;
    *) e2e_result 0 "$t" ;;
    esac
}
exits() { local t=$1 n=$2 s=0; shift 2; e2e_run "$@" || s=$?; if [ $s = "$n" ]; then e2e_result 0 "$t"; else e2e_result 1 "$t" "status $s, not $n, of: $*"; fi; }
is() {
    local t=$1 want=$2 got s=0
    shift 2
    got=$("$@" < /dev/null 2> "$e2e_out") || s=$?
    if [ "$got" = "$want" ]; then e2e_result 0 "$t"; else e2e_result 1 "$t" "status $s, printed \"${got:0:2000}\", not \"$want\": $*"; fi
}
like() {
    local t=$1 re=$2 s=0
    shift 2
    e2e_run "$@" || s=$?
    if grep -Eqz -- "$re" "$e2e_out"; then e2e_result 0 "$t"; else e2e_result 1 "$t" "status $s, does not match /$re/: $*"; fi
}
refused() {
    local t=$1 re=$2 s=0
    shift 2
    e2e_run "$@" || s=$?
    if [ $s = 0 ]; then e2e_result 1 "$t" "succeeded: $*"
    elif grep -Eqiz -- "$re" "$e2e_out"; then e2e_result 0 "$t"
    else e2e_result 1 "$t" "status $s, does not match /$re/: $*"; fi
}
eventually() {
    local t=$1 end=$((SECONDS + $2)) s
    shift 2
    while s=0; e2e_run "$@" || s=$?; [ $s != 0 ] && [ $SECONDS -lt $end ]; do sleep 0.2; done
    e2e_result $s "$t" "status $s to the end of: $*"
}
# Not counted, said aloud
skip() { echo "# skipped - $E2E_NAME: $1: $2"; }

# box NAME: a stopped sandbox of alice's with the workspace ~/work, which may reach nothing; anything left of it goes first
box() {
    local name=$1
    shift
    as alice creel rm --force "$name" < /dev/null > /dev/null 2>&1
    as alice sh -c 'mkdir -p ~/work' < /dev/null
    ok "create $name" as alice creel create --name "$name" "$@" shell /home/alice/work
}
unbox() { local name; for name; do as alice creel rm --force "$name" < /dev/null > /dev/null 2>&1; done; return 0; }
# in_box NAME CMD...: as alice, in the guest. guest_sh NAME SCRIPT
in_box() { as alice creel exec "$@"; }
guest_sh() { as alice creel exec "$1" sh -c "$2"; }
contains() { [[ $1 == *"$2"* ]]; }
not() { ! "$@"; }
# What a boot does not bring back by itself
login_all() { bed login bob && bed login alice && root systemctl start creel-test-origin < /dev/null; }
origin_log() { cat "${BED_HOME:-/var/tmp/creel-bed}/$CREEL_BED/root/opt/origin/requests.log"; }

e2e_end() {
    local s=$?
    if [ -z "${e2e_complete:-}" ]; then e2e_result 1 "runs to its end" "the script stopped with status $s"; fi
    if [ $e2e_failed != 0 ]; then
        bed journal "$CREEL_ARTIFACTS/$E2E_NAME" > /dev/null 2>&1
        echo "# journal and state of the bed: $CREEL_ARTIFACTS/$E2E_NAME"
    fi
    rm -f "$e2e_out"
    echo "1..$e2e_n"
    [ $e2e_failed = 0 ]
    exit
}
trap e2e_end EXIT
trap 'exit 130' INT TERM
finish() { e2e_complete=1; exit; }

# Alone on the command line a test prepares its bed itself
if [ "$("$E2E_TOP/tests/bed/bed" status "$CREEL_BED" 2> /dev/null)" != running ]; then
    "$E2E_TOP/tests/e2e/prepare" >&2 || { e2e_result 1 "has a bed" "tests/e2e/prepare failed"; e2e_complete=1; exit 1; }
fi
# What prepare left for the tests: E2E_KEY, E2E_ADDRESS
# shellcheck disable=SC1090
. "${BED_HOME:-/var/tmp/creel-bed}/$CREEL_BED/e2e.env"
