#!/usr/bin/env bash
#
# cli -- the operator's verbs on a small migration of their own: validate, produce, work, run, status, rejects, cat, verify,
# cleanup. Needs the local parts (deploy/local/up) and the programs: ROWHAUL_BIN, or build/debug/bin.

set -euo pipefail
export LC_ALL=C

checkout=$(cd "$(dirname "$0")/../.." && pwd)
bin=${ROWHAUL_BIN:-$checkout/build/debug/bin}
# shellcheck disable=SC1091
[[ -n ${SOURCE_URL:-} && -n ${TARGET_URL:-} && -n ${KAFKA_BOOTSTRAP:-} ]] || . "$checkout/.local/env"
server_source=$SOURCE_URL server_target=$TARGET_URL
name=cli_test_$$
scratch=$(mktemp -d)
out=$scratch/out
err=$scratch/err
config=$scratch/config.yaml
producer=

fail() {
    echo "cli_test: $1" >&2
    [[ ! -s $out ]] || sed 's/^/    stdout: /' "$out" >&2
    [[ ! -s $err ]] || sed 's/^/    stderr: /' "$err" >&2
    exit 1
}

leave() {
    [[ -z $producer ]] || kill "$producer" 2>/dev/null || true
    "$bin/rowhaul" cleanup -c "$config" --yes >/dev/null 2>&1 || true
    psql -qX "$server_source" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    psql -qX "$server_target" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    rm -rf "$scratch"
}

# expect CODE VERB…: runs the verb, keeps its output, and checks the exit code.
expect() {
    local wanted=$1 code=0
    shift
    "$bin/rowhaul" "$@" >"$out" 2>"$err" </dev/null || code=$?
    [[ $code == "$wanted" ]] || fail "rowhaul $* ended with $code instead of $wanted"
}

prints() {
    grep -qF -- "$1" "$out" || fail "stdout does not say: $1"
}

says() {
    grep -qF -- "$1" "$err" || fail "stderr does not say: $1"
}

# refused_by_disk CODE VERB…: ends with the code when stdout is full, and says so.
refused_by_disk() {
    local wanted=$1 code=0
    shift
    "$bin/rowhaul" "$@" >/dev/full 2>"$err" </dev/null || code=$?
    [[ $code == "$wanted" ]] || fail "rowhaul $* >/dev/full ended with $code instead of $wanted"
    says "No space left on device"
}

# is EXPRESSION: of what stdout holds as JSON (a list of its lines), in Python.
is() {
    python3 - "$out" "$1" <<'PYTHON' || fail "not true of stdout: $1"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(0 if eval(sys.argv[2], {"lines": lines, "it": lines[0] if lines else None}) else 1)
PYTHON
}

prepare() {
    psql -qX "$server_source" -c "CREATE DATABASE $name"
    psql -qX "$server_target" -c "CREATE DATABASE $name"
    export SOURCE_URL=${server_source%/*}/$name TARGET_URL=${server_target%/*}/$name
    psql -qX "$SOURCE_URL" <<'SQL'
CREATE TABLE teams (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE users (id integer PRIMARY KEY, team integer NOT NULL REFERENCES teams, name text);
INSERT INTO teams SELECT i, 'team ' || i FROM generate_series(1, 20) i;
INSERT INTO users SELECT i, 1 + i % 20, CASE i WHEN 7 THEN NULL WHEN 8 THEN E'two\nlines' ELSE 'user ' || i END
  FROM generate_series(1, 300) i;
SQL
    psql -qX "$TARGET_URL" <<'SQL'
CREATE TABLE teams (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE users (id integer PRIMARY KEY, team integer NOT NULL REFERENCES teams, name text NOT NULL);
SQL
    cat >"$config" <<YAML
version: 1
name: $name
mode: snapshot
source: {url: "\${SOURCE_URL}"}
target: {url: "\${TARGET_URL}"}
kafka: {bootstrap.servers: "\${KAFKA_BOOTSTRAP}"}
topics: {partitions: 3, allow_unsafe: true, small_rows: 100}
tables:
  - id: users
    from: public.users
    to: [{table: public.users, copy: all}]
  - id: teams
    from: public.teams
    to: [{table: public.teams, copy: all}]
YAML
}

usage_is_checked() {
    expect 2 stats
    says 'did you mean "status"?'
    expect 2 status
    says 'code=RH-2002 error="no configuration file was given" hint="add -c FILE"'
    expect 2 rejects list -c "$config" --kind rejected
    says 'option \"--kind\" must be parked or dead'
    expect 2 status -c "$scratch/missing.yaml"
    says "could not open file"
    expect 2 status -c "$config" --format xml
    says 'option "--format" must be text or json, not "xml"'
    expect 2 status -c "$config" --log-level loud
    says 'rowhaul: option "--log-level" must be debug, info, warn or error, not "loud"'
    expect 2 run -c "$config" --workers 0
    says 'option "--workers" must be a whole number from 1, not "0"'
    expect 2 run -c "$config" --workers 257
    says 'code=RH-2003 error="option \"--workers\" must be at most 256"'
    expect 2 rejects show
    says 'error="no table was given"'
    expect 2 cat -c "$config"
    says 'error="no topic was given"'
}

validate_says_what_is_right_and_what_is_wrong() {
    expect 0 validate -c "$config" --offline
    prints "the form is right, no database was asked; 0 warnings"
    expect 1 validate -c "$config"
    prints "users: public.users -> public.users, 3 columns, key id, level 1"
    prints "teams: public.teams -> public.teams, 2 columns, key id, level 0"
    prints "the mapping is right; 1 warning"
    says "warning RH-3236"
    expect 1 validate -c "$config" --format json
    is 'lines[0] == {"id": "users", "source": "public.users", "target": "public.users", "columns": 3, "key": ["id"], "level": 1}'
    sed 's/from: public.teams/from: public.team/' "$config" >"$scratch/wrong.yaml"
    expect 3 validate -c "$scratch/wrong.yaml"
    says 'public.teams'
    expect 0 validate -c "$scratch/wrong.yaml" --offline
    sed 's/^name:.*/name: Wrong/' "$config" >"$scratch/wrong.yaml"
    expect 3 validate -c "$scratch/wrong.yaml" --offline
    sed 's/^tables:/\ttables:/' "$config" >"$scratch/wrong.yaml"
    expect 3 validate -c "$scratch/wrong.yaml"
    says "wrong.yaml:8:1: error RH-3001: found character that cannot start any token"
    sed '/^mode:/d' "$config" >"$scratch/wrong.yaml"
    expect 3 validate -c "$scratch/wrong.yaml"
    says "wrong.yaml: error RH-3130: mode is missing, and stream, its default, is not in this version (write mode: snapshot)"
    sed 's/bootstrap.servers:/linger.msec: 5, &/' "$config" >"$scratch/wrong.yaml"
    expect 3 validate -c "$scratch/wrong.yaml" --offline
    says 'wrong.yaml:6:22: error RH-3007: No such configuration property: "linger.msec"'
    SOURCE_URL=postgresql://127.0.0.1:1/x expect 7 validate -c "$config"
    TARGET_URL=postgresql://127.0.0.1:1/x expect 8 validate -c "$config"
    [[ $(psql -qXAt "$TARGET_URL" -c "SELECT count(*) FROM pg_namespace WHERE nspname = 'rowhaul'") == 0 ]] ||
        fail "validate touched the target"
}

without_a_run_there_is_nothing_to_show() {
    local verb
    for verb in status "rejects list" "rejects show users 7" "cat users"; do
        # shellcheck disable=SC2086
        expect 13 $verb -c "$config"
        says "code=RUN_MISSING"
    done
    expect 0 cleanup -c "$config" --yes
    prints "nothing of migration \"$name\" is there"
}

# Nobody applies what the producer sends: the tables wait, and the messages stand in Kafka.
status_shows_what_is_pending() {
    "$bin/rowhaul" produce -c "$config" >"$scratch/producer" 2>&1 &
    producer=$!
    local waited=0
    until "$bin/rowhaul" status --json -c "$config" >"$out" 2>"$err" &&
        python3 -c "import json; t = json.load(open('$out'))['tables']; exit(not (t[1]['pending'] or 0) > 20)"; do
        ((++waited < 100)) || fail "nothing is pending"
        sleep 0.2
    done
    is 'it["migration"] == "'"$name"'" and it["tables"][1]["state"] == "waiting" and it["tables"][1]["accepted"] == 0'
    is 'it["cutover"] == {"ready": False, "reasons": ["table users: waiting", "table teams: waiting"]}'
    is 'len(it["partitions"]) == 6 and all(p["owner"] is None and p["high_offset"] >= 1 for p in it["partitions"])'
    local watcher code=0
    "$bin/rowhaul" status --watch -c "$config" >"$out" 2>"$err" &
    watcher=$!
    sleep 3
    kill -TERM "$watcher"
    wait "$watcher" || code=$?
    [[ $code == 143 ]] || fail "an interrupted status --watch ended with $code"
    [[ $(grep -c "cutover: not ready" "$out") -ge 2 ]] || fail "status --watch did not look again"
    kill -TERM "$producer"
    code=0
    wait "$producer" || code=$?
    producer=
    [[ $code == 0 ]] || fail "the producer ended with $code"
}

status_shows_the_end() {
    expect 1 run -c "$config"
    expect 0 status -c "$config"
    prints "accounting: balanced"
    prints "cutover: not ready: 1 row is rejected"
    expect 0 status -c "$config" --json --watch
    is 'len(lines) == 1 and it["state"] == "completed" and it["accounting"] == {"balanced": True}'
    is 'it["rejects"] == 1 and it["parked"] == 0 and it["lag_bytes"] is None and it["lag_seconds"] is None'
    is 'all(t["state"] == "done" and t["pending"] == 0 for t in it["tables"])'
    is 'it["generation"] == max(p["generation"] for p in it["partitions"]) >= 2'
    is 'all(p["next_offset"] == p["high_offset"] for p in it["partitions"])'
    is 'list(it) == ["migration", "run", "state", "generation", "tables", "partitions", "accounting", "rejects", "parked",
        "lag_bytes", "lag_seconds", "cutover"]'
}

# A closed descriptor would be the next connection's, and results would be written to a database.
a_result_that_cannot_be_written_is_said() {
    local verb code
    refused_by_disk 70 --help
    for verb in run status "rejects list" "cat users"; do
        # shellcheck disable=SC2086
        refused_by_disk 70 $verb -c "$config"
        says "code=RH-7010"
        code=0
        # shellcheck disable=SC2086
        "$bin/rowhaul" $verb -c "$config" >&- 2>"$err" </dev/null || code=$?
        [[ $code == 70 ]] || fail "rowhaul $verb with stdout closed ended with $code"
        says 'code=RH-7010 error="could not write the result: Bad file descriptor"'
    done
    refused_by_disk 6 verify -c "$config"
    says "code=RH-2006"
    code=0
    "$bin/rowhaul" run -c "$config" 2>"$err" | head -1 >"$out" || code=$?
    [[ $code == 1 ]] || fail "run whose reader left ended with $code" # its own: one row is rejected
}

status_works_without_kafka() {
    KAFKA_BOOTSTRAP=127.0.0.1:1 expect 0 status -c "$config" --json
    says "WARN high_offsets_unknown"
    is 'all(p["high_offset"] is None for p in it["partitions"]) and all(t["pending"] is None for t in it["tables"])'
}

rejects_are_listed_and_shown() {
    expect 0 rejects list -c "$config" --format json
    is 'len(lines) == 1 and it["table"] == "users" and it["source_key"] == ["7"] and it["kind"] == "dead"'
    is 'it["sqlstate"] == "23502" and it["column"] == "name" and it["constraint"] is None and it["rule"] is None'
    is 'list(it) == ["table", "source_key", "kind", "topic", "partition", "offset", "sqlstate", "constraint", "column", "rule",
        "message", "tries", "first_at", "last_at"]'
    expect 0 rejects list -c "$config" --format json --kind parked
    is 'lines == []'
    expect 0 rejects list -c "$config" --format json --table teams
    is 'lines == []'
    expect 0 rejects list -c "$config" --table users --kind dead
    prints "users  7    dead  23502"
    expect 2 rejects list -c "$config" --table user
    says 'did you mean \"users\"?'
    expect 0 rejects show users 7 -c "$config"
    prints "payload: ROW"
    prints "name = NULL"
    prints "team = 8"
    expect 0 rejects show users 7 -c "$config" --format json
    is 'it["payload"]["columns"] == {"id": "7", "team": "8", "name": None}'
    expect 1 rejects show users 8 -c "$config"
    says 'table "users" has no reject with key "8"'
    expect 2 rejects show users 7 8 -c "$config"
    says 'has 1 part, 2 were given'
}

messages_are_json_lines() {
    expect 0 cat users -c "$config"
    is 'sorted({int(l["key"][0]) for l in lines if l["kind"] == "ROW"}) == list(range(1, 301))'
    is '[l["columns"]["name"] for l in lines if l["key"] == ["8"]][0] == "two\nlines"'
    is '{l["barrier"] for l in lines if l["kind"] == "BARRIER"} == {4294967295}'
    is 'all(l["generation"] >= 1 and l["lsn"].count("/") == 1 for l in lines)'
    is '[l["partition"] for l in lines] == sorted(l["partition"] for l in lines)'
    expect 0 cat "rowhaul.$name.users" -c "$config" --partition 2 --from 3 --limit 2
    is '[(l["partition"], l["offset"]) for l in lines] == [(2, 3), (2, 4)]'
    expect 0 cat state -c "$config"
    is 'it["key"] == "run" and it["partition"] == 0 and {"claim/1", "ckpt/1"} <= {l["key"] for l in lines}'
    is 'all(isinstance(l["value"], dict) for l in lines)'
    "$bin/rowhaul" cat users -c "$config" 2>"$err" | head -1 >"$out" || fail "a closed pipe is an error"
    expect 2 cat users -c "$config" --from 3
    says 'option \"--from\" needs a partition'
    expect 2 cat users -c "$config" --partition 3
    expect 2 cat nothing -c "$config"
    expect 13 cat users -c "$config" --partition 0 --from 100000
    says "code=TOPIC_TRUNCATED"
}

# The verbs of the other programs: options and exit code pass through.
programs_stand_behind_their_verbs() {
    expect 2 work -c "$config" --assign nonsense --log-format json
    says '"program":"rowhaul-worker"'
    expect 2 produce -c "$scratch/missing.yaml" --log-format json
    says '"program":"rowhaul-producer"'
    expect 2 verify -c "$scratch/missing.yaml" --log-format json
    says '"program":"rowhaul-reconciler"'
}

cleanup_asks_and_removes() {
    expect 2 cleanup -c "$config"
    says "nobody is there to be asked"
    local code=0
    printf 'n\n' | script -qec "'$bin/rowhaul' cleanup -c '$config'" /dev/null >"$out" || code=$?
    [[ $code == 1 ]] || fail "cleanup ended with $code after a no"
    prints "[y/N] nothing was removed"
    expect 0 cleanup -c "$config" --dry-run
    prints "delete topic \"rowhaul.$name.users\""
    expect 0 status -c "$config"
    expect 0 cleanup -c "$config" --yes --keep-ledger
    expect 0 rejects list -c "$config" --format json
    is 'len(lines) == 1'
    expect 0 cleanup -c "$config" --yes
    prints "removed"
    expect 13 status -c "$config"
    expect 0 cleanup -c "$config" --yes
    prints "nothing of migration \"$name\" is there"
}

trap leave EXIT
prepare
usage_is_checked
validate_says_what_is_right_and_what_is_wrong
without_a_run_there_is_nothing_to_show
status_shows_what_is_pending
status_shows_the_end
a_result_that_cannot_be_written_is_said
status_works_without_kafka
rejects_are_listed_and_shown
messages_are_json_lines
programs_stand_behind_their_verbs
cleanup_asks_and_removes
echo "cli_test: ok"
