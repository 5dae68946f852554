#!/usr/bin/env bash
#
# source_rules -- what a compiler does not check: who may include whom, functions nobody may call,
# paths and words that do not belong into the repository.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failures=0
complain() {
    echo "$*"
    failures=$((failures + 1))
}

# The layers of common/, lowest first. A module includes its own layer and lower ones.
layers=(
    "compiler arena bytes error hash lsn row"
    "nearest clock log document complaint environment interpolate secret_file settings settings_table
     settings_value settings_url settings_markdown command failpoint shutdown"
    "pg pg_parts pg_connect pg_copy pg_sqlstate pg_array sql_text kafka kafka_conf kafka_admin"
    "key wire catalog catalog_json mapping mapping_parts mapping_form mapping_rules mapping_types
     mapping_value mapping_where mapping_check mapping_levels mapping_fingerprint transform
     state_topic ledger control_sql config run run_parts run_names run_mapping run_compile run_json
     run_check run_create run_constraints run_cleanup"
    "program"
)
declare -A layer_of
for i in "${!layers[@]}"; do
    for module in ${layers[$i]}; do layer_of[$module]=$i; done
done

check_common() {
    local file=$1 module included
    module=$(basename "${file%.*}")
    if [[ -z ${layer_of[$module]:-} ]]; then
        complain "$file: in no layer of tests/unit/source_rules.sh"
        return
    fi
    while read -r included; do
        [[ $included == common/* ]] || complain "$file: common includes $included"
        included=$(basename "$included" .h)
        if ((${layer_of[$included]:-99} > layer_of[$module])); then
            complain "$file: layer ${layer_of[$module]} includes $included of layer ${layer_of[$included]:-none}"
        fi
    done < <(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file")
}

# A program includes common and itself.
check_program() {
    local file=$1 program=${1%%/*} included
    while read -r included; do
        [[ $included == common/* || $included == "$program"/* ]] || complain "$file: includes $included"
    done < <(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file")
}

for file in common/*.[ch]; do check_common "$file"; done
for file in {producer,worker,reconciler,cli}/*.[ch]; do check_program "$file"; done

# name (why): as whole words before a parenthesis, comments left out.
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca|tmpnam|mktemp|system|popen|setjmp|longjmp|signal'
while read -r line; do
    complain "banned function: $line"
done < <(grep -nEw "($banned) *\(" {common,producer,worker,reconciler,cli}/*.[ch] | grep -vE ':[0-9]+: *(/?\*|//)' || true)

# malloc lives in arena.c.
while read -r line; do
    complain "allocates outside the arena: $line"
done < <(grep -nEw '(malloc|calloc|realloc|strdup|strndup|asprintf) *\(' {common,producer,worker,reconciler,cli}/*.[ch] |
    grep -v '^common/arena.c:' | grep -vE ':[0-9]+: *(/?\*|//)' || true)

while read -r line; do
    complain "no goto: $line"
done < <(grep -nE '\bgoto\b' {common,producer,worker,reconciler,cli}/*.[ch] | grep -vE ':[0-9]+: *(/?\*|//)' || true)

if ((failures > 0)); then
    echo "$failures rules broken"
    exit 1
fi
