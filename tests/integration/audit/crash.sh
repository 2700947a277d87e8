#!/usr/bin/env bash
# A real auditor on a real Kafka is killed again and again while records come in: the log must verify, hold every
# record once, and cs.audit must tell the same. Then one bit is flipped, and everybody must notice.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
build=$1 source=$2
deaths=${DEATHS:-15} requests=${REQUESTS:-120}
dir=$(mktemp -d "${TMPDIR:-/tmp}/countersign-audit-XXXXXX")
bin=$build/bin
export COUNTERSIGN_BIN=$bin COUNTERSIGN_DEPS=${COUNTERSIGN_DEPS:-$source/.run/deps}
auditor='' publisher=''
cleanup() {
  [ -z "$auditor" ] || kill -9 "$auditor" 2> /dev/null || true
  [ -z "$publisher" ] || kill -9 "$publisher" 2> /dev/null || true
  "$source/deploy/dev/stack" down "$dir/stack" > /dev/null 2>&1 || true
  rm -rf "$dir"
}
trap cleanup EXIT
fail() { printf 'FAILED: %s\n' "$*"; tail -n 20 "$dir/auditor.log" || true; exit 1; }
pause() { read -rt "$1" <> <(:) || true; }

"$source/deploy/dev/stack" up "$dir/stack" kafka
# shellcheck disable=SC1091
. "$dir/stack/stack.env"
kafka=$COUNTERSIGN_KAFKA
env -u COUNTERSIGN_KAFKA "$bin/countersign-topics" apply --kafka.bootstrap "$kafka" --development true --topics.file "$source/deploy/kafka/topics.yaml" > "$dir/topics.log"
mkdir -p "$dir/blobs"
"$build/tests-bin/audit_publish_stories" "$dir" "$kafka" "$requests" > "$dir/publisher.log" 2>&1 &
publisher=$!
until [ -f "$dir/registry.bin" ]; do pause 0.05; done

port=$((20000 + RANDOM % 10000)) # for the log and, one above, for health
run_auditor() {
  env -u COUNTERSIGN_KAFKA "$bin/countersign-auditor" --kafka.bootstrap "$kafka" --trust.root "$dir/root.pub" --trust.registry "$dir/registry.bin" \
    --service.key "$dir/auditor.key" --blob.directory "$dir/blobs" --log.directory "$dir/log" --log.listen "127.0.0.1:$port" \
    --health.listen "127.0.0.1:$((port + 1))" >> "$dir/auditor.log" 2>&1 &
  auditor=$!
}
size() { sed -n 2p "$dir/log/checkpoint" 2> /dev/null || echo 0; }

for ((i = 0; i < deaths; i++)); do
  run_auditor
  before=$(size) end=$((SECONDS + 20))
  # Some deaths come as soon as the log has grown, some a little later.
  until [ "$(size)" != "$before" ] || [ $SECONDS -ge $end ] || ! kill -0 "$auditor" 2> /dev/null; do pause 0.02; done
  kill -0 "$auditor" 2> /dev/null || fail "the auditor ended by itself"
  pause "0.$((RANDOM % 4))$((RANDOM % 10))"
  kill -9 "$auditor"
  wait "$auditor" 2> /dev/null || true
  # After a death the log is whole, whatever its size.
  "$bin/countersign" audit verify --log "$dir/log" --trust "$dir/root.pub" > "$dir/verify.log" || [ $? -eq 2 ] || { cat "$dir/verify.log"; fail "verify after death $i"; }
  grep -q "^integrity" "$dir/verify.log" && { cat "$dir/verify.log"; fail "integrity after death $i"; }
  grep -qE "offset_|sequence_gap" "$dir/verify.log" && { cat "$dir/verify.log"; fail "a gap after death $i"; }
done
run_auditor
end=$((SECONDS + 30))
until curl -fsS -o "$dir/ready" "http://127.0.0.1:$((port + 1))/readyz" 2> /dev/null || [ $SECONDS -ge $end ]; do pause 0.1; done
wait "$publisher" || { cat "$dir/publisher.log"; fail "the publisher"; }
publisher=''
total=$(sed -n 's/^published \([0-9]*\) records$/\1/p' "$dir/publisher.log")
end=$((SECONDS + 60))
until [ "$(size)" = "$total" ] || [ $SECONDS -ge $end ]; do pause 0.1; done
[ "$(size)" = "$total" ] || fail "$(size) leaves, $total records were published"
echo "$deaths deaths, $total records, $(size) leaves"

log=http://127.0.0.1:$port
until curl -fsS -o "$dir/probe" "$log/checkpoint" 2> /dev/null || [ $SECONDS -ge $end ]; do pause 0.1; done
"$bin/countersign" audit verify --log "$log" --trust "$dir/root.pub" || fail "verify over HTTP"
"$bin/countersign" audit replay --log "$log" --trust "$dir/root.pub" --kafka "$kafka" || fail "replay"

# A second auditor on the same directory must not write.
if env -u COUNTERSIGN_KAFKA "$bin/countersign-auditor" --kafka.bootstrap "$kafka" --trust.root "$dir/root.pub" --trust.registry "$dir/registry.bin" \
  --service.key "$dir/auditor.key" --blob.directory "$dir/blobs" --log.directory "$dir/log" > "$dir/second.log" 2>&1; then fail "two writers"; fi
grep -q auditor.locked "$dir/second.log" || fail "the second auditor does not say why"

# A drain ends it with status 0 and loses nothing.
kill -TERM "$auditor"
wait "$auditor" || fail "the drain's status is $?"
auditor=''
[ "$(size)" = "$total" ] || fail "the drain changed the log"

# One bit.
tile=$dir/log/tile/entries/000
python3 - "$tile" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(1000); b = f.read(1)[0]; f.seek(1000); f.write(bytes([b ^ 4]))
PY
status=0
"$bin/countersign" audit verify --log "$dir/log" --trust "$dir/root.pub" > "$dir/verify.log" || status=$?
[ $status -eq 1 ] || { cat "$dir/verify.log"; fail "a flipped bit: status $status"; }
head -n 3 "$dir/verify.log"
python3 - "$tile" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(1000); b = f.read(1)[0]; f.seek(1000); f.write(bytes([b ^ 4]))
PY

# Another Kafka under the same address must not be taken for the old one.
"$source/deploy/dev/stack" down "$dir/stack"
rm -rf "$dir/stack/kafka"
"$source/deploy/dev/stack" up "$dir/stack" kafka
env -u COUNTERSIGN_KAFKA "$bin/countersign-topics" apply --kafka.bootstrap "$kafka" --development true --topics.file "$source/deploy/kafka/topics.yaml" > "$dir/topics.log"
run_auditor
end=$((SECONDS + 30))
while kill -0 "$auditor" 2> /dev/null && [ $SECONDS -lt $end ]; do pause 0.1; done
kill -0 "$auditor" 2> /dev/null && fail "the auditor goes on with another Kafka"
auditor=''
grep -q "was replaced or set back" "$dir/auditor.log" || fail "the auditor does not say that Kafka was replaced"
"$bin/countersign" audit verify --log "$dir/log" --trust "$dir/root.pub" > "$dir/verify.log" || { cat "$dir/verify.log"; fail "the log after Kafka was replaced"; }
echo PASS
