#!/usr/bin/env bash
# Builds the decision page and drives it in Chromium; installs the page's packages when they are not there.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$1"
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
    touch node_modules/.package-lock.json
fi
exec npm test --silent
