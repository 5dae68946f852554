#!/usr/bin/env bash
#
# docs -- the pages that list what the programs say are complete and hold nothing else: docs/errors.md every code of the
# sources, docs/events.md every event with its fields, docs/cli.md every verb's --help; docs/troubleshooting.md quotes only
# what the programs can say. `docs_test.sh --write` writes docs/cli.md anew. Needs the programs (ROWHAUL_BIN, or build/debug/bin), no servers.

set -euo pipefail
export LC_ALL=C

checkout=$(cd "$(dirname "$0")/../.." && pwd)
bin=${ROWHAUL_BIN:-$checkout/build/debug/bin}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=no

complain() {
    echo "docs_test: $1" >&2
    failed=yes
}

# same WHAT SOURCES PAGE: two sorted lists.
same() {
    local line
    while read -r line; do
        complain "$1 $line is missing in the page"
    done < <(comm -23 "$2" "$3")
    while read -r line; do
        complain "$1 $line is in the page, but not in the sources"
    done < <(comm -13 "$2" "$3")
}

# Writes the lists `codes` and `events` of the sources; an event's line has its fields, sorted.
read_sources() {
    python3 - "$scratch" <<'PYTHON'
import glob, re, sys

FAILURE = ["code", "error", "hint", "kafka", "sqlstate"]  # what log_error gives
CODE = re.compile(r'"(RH-\d{4}|(?!ROWHAUL_|NO_COLOR")[A-Z]{2,}(?:_[A-Z]+)+)"')


def arguments(text, start):
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return text[start:i]
    return text[start:]


codes, events = set(), {}
for room in ["common", "producer", "worker", "reconciler", "cli"]:
    for path in glob.glob(room + "/*.[ch]"):
        text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
        codes.update(CODE.findall(text))
        for call in re.finditer(r"\b(log_event|log_error|program_end|session_end)\(", text):
            given = arguments(text, call.end())
            fields = re.findall(r'\bF_[A-Z]+\("([a-z_]+)"', given) if call[1] == "log_event" else FAILURE
            for event in re.findall(r'"([a-z][a-z_]+)"', re.split(r"\bF_[A-Z]+\(", given)[0]):
                events.setdefault(event, set()).update(fields)
with open(sys.argv[1] + "/codes", "w") as out:
    out.writelines(sorted(code + "\n" for code in codes))
with open(sys.argv[1] + "/events", "w") as out:
    out.writelines(sorted(" ".join([event] + sorted(fields)) + "\n" for event, fields in events.items()))
PYTHON
}

codes_have_a_section() {
    sed -n 's/^### \([A-Z0-9_-]*\): .*/\1/p' docs/errors.md | sort >"$scratch/page"
    same "code" "$scratch/codes" "$scratch/page"
    [[ -z $(uniq -d "$scratch/page") ]] || complain "docs/errors.md has two sections for $(uniq -d "$scratch/page")"
    # A section ends with its exit code.
    local section
    while read -r section; do
        complain "docs/errors.md does not say how $section ends"
    done < <(awk '/^### /{if (code && !exits) print code; code = $2; exits = 0} /Exit:/{exits = 1}
                  END {if (code && !exits) print code}' docs/errors.md)
}

events_have_a_line() {
    awk -F'|' '$2 ~ /`/ {gsub(/`/, ""); print $2, $4}' docs/events.md |
        while read -r event fields; do
            # shellcheck disable=SC2046,SC2086
            echo $event $(printf '%s\n' $fields | sort)
        done | sort >"$scratch/page"
    same "event" "$scratch/events" "$scratch/page"
}

help_of() {
    printf '\n## %s\n\n```\n' "$*"
    "$bin/$1" "${@:2}" --help
    printf '```\n'
}

write_cli_page() {
    cat <<'PAGE'
# The command line

What the programs say with `--help`. `rowhaul` is the operator's tool; `rowhaul-producer`, `rowhaul-worker` and
`rowhaul-reconciler` are the programs behind `produce`, `work` and `verify`, for those who start them by other means.

Results are on stdout, [events](events.md) on stderr.

[operations.md](operations.md) explains the exit codes, [errors.md](errors.md) each error's code.
PAGE
    help_of rowhaul
    local verb
    "$bin/rowhaul" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z ]*[a-z]\)  .*/\1/p' >"$scratch/verbs"
    while read -r verb; do
        # shellcheck disable=SC2086
        help_of rowhaul $verb
    done <"$scratch/verbs"
    help_of rowhaul-producer
    help_of rowhaul-worker
    help_of rowhaul-reconciler
}

cli_page_is_what_help_says() {
    write_cli_page >"$scratch/cli.md"
    diff -u docs/cli.md "$scratch/cli.md" >&2 ||
        complain "docs/cli.md is not what --help says: tests/integration/docs_test.sh --write"
}

# Each quoted event has to be one, with its fields; each other line has to be covered by texts of the sources, its mend for
# itself, whatever stands for their %s. What libyaml and librdkafka say (RH-3001, RH-3007) is theirs.
quoted_messages_are_real() {
    python3 - docs/troubleshooting.md "$scratch/events" >"$scratch/unreal" <<'PYTHON'
import glob, re, sys

LITERAL = r'"(?:[^"\\\n]|\\.)*"'
patterns = set()
for room in ["common", "producer", "worker", "reconciler", "cli"]:
    for path in glob.glob(room + "/*.c"):
        text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
        for run in re.findall(LITERAL + r"(?:\s*(?:PRI\w+\s*)?" + LITERAL + ")*", text):
            words = "".join(re.findall(r"(?s)" + LITERAL, re.sub(r"PRI\w+", '"%u"', run))).replace('\\"', "\0")
            pieces = re.split(r"%[-0-9.*]*[a-zA-Z]+", words.replace('"', "").replace("\0", '"').replace("\\n", ""))
            if sum(map(len, pieces)) >= 5:
                ends = ".*" if not pieces[-1] and sum(map(len, pieces)) >= 20 else ""  # what ends in %s may be PostgreSQL's or the system's own words
                patterns.add(".*?".join(re.escape(piece) for piece in pieces) + ends)
patterns = [re.compile(pattern) for pattern in patterns]


def covered(line):
    marks = bytearray(len(line))
    for pattern in patterns:
        for match in pattern.finditer(line):
            marks[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    return (sum(marks) + line.count("…")) / len(line)


def is_event(line):
    level, name, *fields = line.split()
    names = {re.sub(r"=.*", "", field) for field in fields if re.match(r"[a-z]+=", field)}
    return any(event[0] == name and names <= set(event[1:]) for event in events)


def is_said(line):
    text = re.sub(r"^(error|warning) RH-\d+: ", "", line)
    mend = re.fullmatch(r"(.*?) \((.*)\)", text) if text != line else None
    return all(covered(part) >= 0.8 for part in (mend.groups() if mend else [text]))


events = [line.split() for line in open(sys.argv[2])]
lines = [l for block in re.findall(r"(?s)```text\n(.*?)```", open(sys.argv[1]).read()) for l in block.splitlines()]
for line in lines:
    real = is_event(line) if re.match("(INFO|WARN|ERROR) ", line) else is_said(line)
    if not real and not re.search("RH-300[17]", line):
        print(line)
if len(lines) < 30:
    print("(only %d lines are quoted)" % len(lines))
PYTHON
    local line
    while read -r line; do
        complain "docs/troubleshooting.md quotes what no program says: $line"
    done <"$scratch/unreal"
}

cd "$checkout"
if [[ ${1:-} == --write ]]; then
    write_cli_page >"$scratch/cli.md"
    cp "$scratch/cli.md" docs/cli.md
    exit
fi
read_sources
codes_have_a_section
events_have_a_line
cli_page_is_what_help_says
quoted_messages_are_real
[[ $failed == no ]] || exit 1
echo "docs_test: ok"
