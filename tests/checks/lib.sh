# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# For the checks: files of the project, found without git, so that they run in an unpacked tarball too
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
files() { find . \( -name .git -o -path './build*' -o -path '*/corpus/*' -o -name __pycache__ \) -prune -o -type f -print | sort; }
bad=0
complain() { echo "$*" >&2; bad=$((bad + 1)); }
finish() { exit $((bad > 0)); }
