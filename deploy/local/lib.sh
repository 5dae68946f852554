# shellcheck shell=bash
#
# lib.sh -- what deploy/local/{up,down,restart,kill,status} share: two private PostgreSQL servers and
# one Kafka broker that belong to this checkout alone.
#
# In:     nothing but the checkout's own path; ROWHAUL_LOCAL_ROOT moves the data (default /var/tmp).
# Out:    one folder <root>/rowhaul-<hash of the checkout's path> with all data, and .local/ in the
#         checkout with the folder's name and the environment for clients.
# Never:  listens beyond loopback; signals a process that is not provably ours; writes anywhere else
#         (Maven's own cache excepted).
#
# A part is "source", "target" or "kafka". Its life is in <folder>/<part>/:
#   data/       the cluster, or Kafka's log directory; exists only when complete (made as data.new)
#   server.log  what the server says
#   pid         "PID STARTTIME": the start time (field 22 of /proc/PID/stat) makes a recycled PID a
#               different process

set -euo pipefail
umask 022 # as root the servers run as user postgres, who must be able to enter the folder
LC_ALL=C
export LC_ALL
# The caller's libpq settings (PGHOST, PGOPTIONS, PGSERVICE, ...) are about other servers.
while read -r name; do unset "$name"; done < <(compgen -e PG || true)
unset name

PARTS=(source target kafka)
LOCAL_TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
CHECKOUT=$(cd "$LOCAL_TOOLS/../.." && pwd -P)
LOCAL=$CHECKOUT/.local
# A dead server is noticed at once; the limit is for one that neither dies nor answers. Crash recovery
# of a full max_wal_size on a slow disk takes minutes.
ANSWER_SECONDS_MAX=${ROWHAUL_LOCAL_TIMEOUT:-240}
STOP_SECONDS_MAX=60

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "deploy/local: $*"
    exit 1
}

# --- the folder -----------------------------------------------------------------------------------

# Sets FOLDER: the one recorded by an earlier `up` if it is this checkout's (a copied checkout carries
# its original's .local/), else the one the path's hash names.
find_folder() {
    local root=${ROWHAUL_LOCAL_ROOT:-/var/tmp} hash recorded=
    if [[ -r $LOCAL/folder ]]; then
        recorded=$(<"$LOCAL/folder")
        if [[ -n $recorded && -r $recorded/checkout && $(<"$recorded/checkout") == "$CHECKOUT" ]]; then
            FOLDER=$recorded
            return
        fi
    fi
    # .local/env is a list of plain assignments for other tools too, so nothing in it may need quoting.
    [[ $root =~ ^/[A-Za-z0-9/._-]*$ ]] ||
        fail "ROWHAUL_LOCAL_ROOT must be an absolute path of letters, digits and ._-, not \"$root\""
    [[ -d $root ]] || fail "ROWHAUL_LOCAL_ROOT \"$root\" is not a folder"
    root=$(cd "$root" && pwd -P)
    hash=$(printf '%s' "$CHECKOUT" | sha256sum | cut -c1-12)
    FOLDER=${root%/}/rowhaul-$hash
}

# The root may be world-writable: a folder that somebody else put there is not ours to use.
folder_is_ours() {
    [[ -d $FOLDER && ! -L $FOLDER && -O $FOLDER && -r $FOLDER/checkout ]] &&
        [[ $(<"$FOLDER/checkout") == "$CHECKOUT" ]]
}

make_folder() {
    if [[ ! -e $FOLDER ]]; then
        mkdir "$FOLDER"
        printf '%s\n' "$CHECKOUT" >"$FOLDER/checkout"
    fi
    folder_is_ours ||
        fail "\"$FOLDER\" exists and does not belong to this checkout and user: remove it or set ROWHAUL_LOCAL_ROOT"
    mkdir -p "$LOCAL" "$FOLDER/source" "$FOLDER/target" "$FOLDER/kafka"
    printf '%s\n' "$FOLDER" >"$LOCAL/folder"
    if ((EUID == 0)); then
        chown postgres: "$FOLDER/source" "$FOLDER/target"
    fi
    [[ -s $FOLDER/password ]] || (
        umask 077
        head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$FOLDER/password"
    )
}

# One of up, down, restart and kill at a time. The lock is on the folder of these scripts, which has to
# exist anyway, so that it leaves no file behind and `down` cannot remove it under a waiting `up`.
take_lock() {
    exec 9<"$LOCAL_TOOLS"
    flock -n 9 && return
    say "deploy/local: waiting for another up, down, restart or kill of this checkout"
    flock 9
}

# --- ports ----------------------------------------------------------------------------------------

# Sets SOURCE_PORT, TARGET_PORT, KAFKA_PORT, CONTROLLER_PORT from the folder.
read_ports() {
    # shellcheck source=/dev/null
    source "$FOLDER/ports"
}

# Prints four free ports. They are taken from below the kernel's range for outgoing connections,
# because a killed server's port must still be free when it is started again, and not from other
# checkouts' files, because their servers may be down just now.
pick_ports() {
    python3 - "$1"/rowhaul-*/ports <<'PYTHON'
import random, re, socket, sys

taken = set()
for name in sys.argv[1:]:
    try:
        with open(name) as file:
            taken.update(int(port) for port in re.findall(r"_PORT=(\d+)", file.read()))
    except OSError:
        pass
with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
    first_ephemeral = int(file.read().split()[0])
end = first_ephemeral if first_ephemeral > 21000 else 65536

chosen = []
for port in random.sample(range(20000, end), end - 20000):
    if port in taken:
        continue
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    chosen.append(port)
    if len(chosen) == 4:
        break
else:
    sys.exit("no free ports")
print("SOURCE_PORT=%d\nTARGET_PORT=%d\nKAFKA_PORT=%d\nCONTROLLER_PORT=%d" % tuple(chosen))
PYTHON
}

# Chosen once; the lock on the root keeps two checkouts from choosing the same at the same time.
make_ports() {
    local root
    root=$(dirname "$FOLDER")
    if [[ ! -s $FOLDER/ports ]]; then
        (
            exec 8<"$root"
            flock -w 10 8 || true # somebody else's lock on a shared folder must not stop us
            pick_ports "$root" >"$FOLDER/ports.new" && mv "$FOLDER/ports.new" "$FOLDER/ports"
        ) || fail "could not choose ports"
    fi
    read_ports
}

port_of() {
    case $1 in
    source) printf '%s' "$SOURCE_PORT" ;;
    target) printf '%s' "$TARGET_PORT" ;;
    kafka) printf '%s' "$KAFKA_PORT" ;;
    esac
}

# --- processes ------------------------------------------------------------------------------------

# What to put before a command to run it as the PostgreSQL servers' user: PostgreSQL refuses root.
AS_SERVER=(env)
if ((EUID == 0)); then
    AS_SERVER=(setpriv --reuid=postgres --regid=postgres --init-groups --reset-env)
fi

# Prints a process's start time in clock ticks since boot; fails when there is no such process.
start_time_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The second field is the command in parentheses and may contain anything: count from its end.
    # shellcheck disable=SC2086 # split into fields
    set -- ${stat##*) }
    [[ $# -ge 20 ]] && printf '%s' "${20}"
}

# Whether a process still holds its files. After exit it may stay a zombie for as long as its parent
# likes, and the first thread may be a zombie while others still run: all threads count.
process_is_alive() {
    local stat state
    for stat in /proc/"$1"/task/*/stat; do
        state=$(cat "$stat" 2>/dev/null) || continue
        state=${state##*) }
        [[ ${state:0:1} == [ZX] ]] || return 0
    done
    return 1
}

# Prints the part's main process if it is alive and the one that was started.
pid_of() {
    local pid started
    [[ -r $FOLDER/$1/pid ]] || return 1
    read -r pid started <"$FOLDER/$1/pid" || return 1
    [[ $(start_time_of "$pid") == "$started" ]] && process_is_alive "$pid" && printf '%s' "$pid"
}

# Signals a part's main process after a second look at it: its command line names the part's folder.
# (That of a process which is just ending is empty; it needs no signal.)
signal_part() {
    local part=$1 signal=$2 pid
    pid=$(pid_of "$part") || return 0
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$FOLDER/$part/"; then
        kill -"$signal" "$pid" 2>/dev/null || true
    fi
}

# Prints the processes that work in a cluster's data folder: the postmaster and all its children, also
# those it left behind when it was killed. Asked as their own user, because root without CAP_SYS_PTRACE
# (a container) may not follow the links of others.
pids_in_data() {
    "${AS_SERVER[@]}" find /proc -mindepth 2 -maxdepth 2 -name cwd -lname "$FOLDER/$1/data" -printf '%h\n' \
        2>/dev/null | sed 's|/proc/||' || true
}

part_is_gone() {
    local pid
    if pid_of "$1" >/dev/null; then return 1; fi
    [[ $1 == kafka ]] && return 0
    for pid in $(pids_in_data "$1"); do
        if process_is_alive "$pid"; then return 1; fi
    done
    return 0
}

# Waits for a command to succeed: wait_for SECONDS COMMAND...
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# Starts a server that survives the calling shell: start_detached PART COMMAND...
# Own session, no standard streams of the caller, and none of its other files either: a pipe or a lock
# that a server held open would keep a `tests/run | tee` or the next `up` waiting for ever.
start_detached() {
    local part=$1 fd
    shift
    (
        cd "$FOLDER/$part/data"
        exec </dev/null >>"$FOLDER/$part/server.log" 2>&1
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            if ((fd > 2)); then eval "exec $fd>&-"; fi
        done
        exec setsid "$@"
    ) &
    disown $!
    printf '%s %s\n' "$!" "$(start_time_of $!)" >"$FOLDER/$part/pid"
}

# --- PostgreSQL -----------------------------------------------------------------------------------

# Sets PG_BIN: the tested version where Debian puts it, else what pg_config knows, else the newest.
find_postgres() {
    local dir
    for dir in /usr/lib/postgresql/15/bin "$(pg_config --bindir 2>/dev/null || true)" \
        /usr/lib/postgresql/{17,16,14,13}/bin; do
        if [[ -x $dir/initdb && -x $dir/postgres ]]; then
            PG_BIN=$dir
            return
        fi
    done
    fail "no PostgreSQL server found: run deploy/install-deps"
}

write_postgres_settings() {
    local part=$1 data=$2 fast=$3 port
    port=$(port_of "$part")
    cat <<SETTINGS >>"$data/postgresql.conf"

# --- rowhaul's local parts ---
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$FOLDER/$part'
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
max_prepared_transactions = 10
max_connections = 200
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %u@%d %a '
log_lock_waits = on
log_replication_commands = on
SETTINGS
    if [[ $fast == yes ]]; then
        # A killed process loses nothing by this; a power cut may lose everything.
        printf 'fsync = off\nsynchronous_commit = on\nfull_page_writes = off\n' >>"$data/postgresql.conf"
    fi
}

# Makes a cluster beside its place and moves it there when it is complete: an interrupted `up` leaves
# nothing that the next one could mistake for a cluster.
create_postgres() {
    local part=$1 fast=$2 home=$FOLDER/$1 sync=()
    [[ -d $home/data ]] && return
    cd "$home"
    rm -rf data.new
    if [[ $fast == yes ]]; then sync=(--no-sync); fi
    # As root, initdb runs as another user, who may not read our copy of the password.
    "${AS_SERVER[@]}" sh -c 'umask 077; cat >password' <"$FOLDER/password"
    # Not "rowhaul": "$user" in search_path would make the ledger's schema the place of new tables.
    "${AS_SERVER[@]}" "$PG_BIN/initdb" --pgdata="$home/data.new" --username=postgres \
        --pwfile=password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 "${sync[@]}" \
        </dev/null >"$home/create.log" 2>&1 || return 1
    rm -f password
    write_postgres_settings "$part" "$home/data.new" "$fast"
    printf 'CREATE DATABASE %s\n' "$part" |
        "${AS_SERVER[@]}" "$PG_BIN/postgres" --single -D "$home/data.new" postgres >>"$home/create.log" 2>&1 ||
        return 1
    mv data.new data
}

start_postgres() {
    local part=$1 data=$FOLDER/$1/data
    # After a kill the PID in the lock files may still be a zombie, or belong to a process of the other
    # cluster, which has the same user; PostgreSQL would refuse to start. Nothing works here: both are stale.
    if part_is_gone "$part"; then rm -f "$data/postmaster.pid" "$FOLDER/$part"/.s.PGSQL.*.lock; fi
    start_detached "$part" "${AS_SERVER[@]}" "$PG_BIN/postgres" -D "$data"
}

postgres_answers() {
    local part=$1
    "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$(port_of "$part")" || return 1
    [[ $(PGPASSWORD=$(<"$FOLDER/password") PGCONNECT_TIMEOUT=5 "$PG_BIN/psql" -XqAt -h 127.0.0.1 \
        -p "$(port_of "$part")" -U postgres -d "$part" -c 'show data_directory' 2>/dev/null) \
        == "$FOLDER/$part/data" ]]
}

# --- Kafka ----------------------------------------------------------------------------------------

# Copies the jars unless they are there. Maven's cache is not made for two writers, and two checkouts
# may fill it at the same time.
copy_kafka_jars() {
    local libs=$FOLDER/kafka/libs cache=$HOME/.m2
    [[ -d $libs ]] && return
    rm -rf "$libs.new"
    mkdir -p "$cache"
    (
        flock 8
        cd "$FOLDER/kafka"
        mvn -q -B -Dstyle.color=never --strict-checksums -f "$LOCAL_TOOLS/kafka/pom.xml" dependency:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$libs.new"
    ) 8<"$cache" </dev/null >>"$FOLDER/kafka/create.log" 2>&1 || return 1
    mv "$libs.new" "$libs"
}

# Prints server.properties for a log directory.
kafka_properties() {
    sed -e "s|@KAFKA_PORT@|$KAFKA_PORT|g" -e "s|@CONTROLLER_PORT@|$CONTROLLER_PORT|g" \
        -e "s|@LOG_DIR@|$1|g" "$LOCAL_TOOLS/kafka/server.properties.in"
}

create_kafka() {
    local home=$FOLDER/kafka cluster
    copy_kafka_jars || return 1
    [[ -d $home/data ]] && return
    # Like a cluster, the log directory gets its name only when it is complete.
    rm -rf "$home/data.new"
    kafka_properties "$home/data.new" >"$home/format.properties" || return 1
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
    java -XX:TieredStopAtLevel=1 -cp "$home/libs/*" \
        "-Dlog4j2.configurationFile=$LOCAL_TOOLS/kafka/log4j2.xml" \
        kafka.tools.StorageTool format -t "$cluster" -c "$home/format.properties" \
        </dev/null >>"$home/create.log" 2>&1 || return 1
    mv "$home/data.new" "$home/data"
}

# The properties are written at each start, so that a changed template needs only a restart.
start_kafka() {
    local home=$FOLDER/kafka
    kafka_properties "$home/data" >"$home/server.properties"
    start_detached kafka java -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
        "-Dlog4j2.configurationFile=$LOCAL_TOOLS/kafka/log4j2.xml" -cp "$home/libs/*" \
        kafka.Kafka "$home/server.properties"
}

# Asks for the cluster's brokers in Kafka's own protocol (Metadata, version 1, no topics). An open port
# is not enough: the node lists itself only when the controller has let it in, and only then does it
# create topics. Request: length, api key, version, correlation id, no client id, no topics.
# Answer: length, correlation id, number of brokers, ...
kafka_answers() {
    local answer
    # shellcheck disable=SC2016 # expanded by the inner shell
    answer=$(timeout 2 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$0" || exit 1
        printf "\0\0\0\16\0\3\0\1\0\0\0\7\377\377\0\0\0\0" >&3
        head -c 12 <&3 | od -An -v -tx1' "$KAFKA_PORT" 2>/dev/null | tr -d ' \n') || return 1
    [[ ${answer:8} == 0000000700000001 ]]
}

# --- every part -----------------------------------------------------------------------------------

create_part() {
    case $1 in
    kafka) create_kafka ;;
    *) create_postgres "$1" "$2" ;;
    esac || fail "could not create $1: $(last_words "$FOLDER/$1/create.log")"
}

start_part() {
    case $1 in
    kafka) start_kafka ;;
    *) start_postgres "$1" ;;
    esac
}

part_answers() {
    pid_of "$1" >/dev/null || return 1
    case $1 in
    kafka) kafka_answers ;;
    *) postgres_answers "$1" ;;
    esac
}

last_words() {
    printf 'see %s' "$1"
    if [[ -s $1 ]]; then
        printf ', which ends:\n'
        tail -n 15 "$1"
    fi
}

wait_until_answering() {
    local part=$1 deadline=$((SECONDS + ANSWER_SECONDS_MAX)) log=$FOLDER/$1/server.log
    until part_answers "$part"; do
        pid_of "$part" >/dev/null || fail "$part ended while starting: $(last_words "$log")"
        ((SECONDS < deadline)) ||
            fail "$part did not answer within $ANSWER_SECONDS_MAX s: $(last_words "$log")"
        sleep 0.1
    done
}

# Stops a part in good order and waits until nothing of it runs.
stop_part() {
    local part=$1 signal=INT # PostgreSQL: fast shutdown
    if [[ $part == kafka ]]; then signal=TERM; fi
    signal_part "$part" "$signal"
    wait_for "$STOP_SECONDS_MAX" part_is_gone "$part" ||
        fail "$part did not stop within $STOP_SECONDS_MAX s: $(last_words "$FOLDER/$part/server.log")"
}

# Kills a part as a crash would and waits until nothing of it runs. PostgreSQL's children leave by
# themselves when their postmaster dies, but one in the middle of a long query only after it.
kill_part() {
    local part=$1 pid
    signal_part "$part" KILL
    wait_for 2 part_is_gone "$part" && return
    if [[ $part != kafka ]]; then
        for pid in $(pids_in_data "$part"); do
            kill -KILL "$pid" 2>/dev/null || true
        done
    fi
    wait_for "$STOP_SECONDS_MAX" part_is_gone "$part" || fail "$part does not die"
}

# Writes .local/env: plain assignments, readable by its owner alone because the URLs hold the password.
write_env() {
    local password part
    password=$(<"$FOLDER/password")
    (
        umask 077
        {
            printf 'export SOURCE_URL=postgresql://postgres:%s@127.0.0.1:%s/source\n' "$password" "$SOURCE_PORT"
            printf 'export TARGET_URL=postgresql://postgres:%s@127.0.0.1:%s/target\n' "$password" "$TARGET_PORT"
            printf 'export KAFKA_BOOTSTRAP=127.0.0.1:%s\n' "$KAFKA_PORT"
            printf 'export SOURCE_PGDATA=%s\n' "$FOLDER/source/data"
            printf 'export TARGET_PGDATA=%s\n' "$FOLDER/target/data"
            printf 'export KAFKA_LOG_DIR=%s\n' "$FOLDER/kafka/data"
            for part in "${PARTS[@]}"; do
                printf 'export %s_PID=%s\n' "${part^^}" "$(pid_of "$part" || true)"
            done
        } >"$LOCAL/env.new"
    )
    mv "$LOCAL/env.new" "$LOCAL/env"
}

# Checks the one argument of restart and kill.
require_part() {
    local part
    for part in "${PARTS[@]}"; do
        if [[ $# -eq 1 && $1 == "$part" ]]; then return; fi
    done
    say "usage: deploy/local/$(basename "$0") source|target|kafka"
    exit 2
}

require_folder() {
    find_folder
    if ! folder_is_ours || [[ ! -s $FOLDER/ports ]]; then
        fail "the local parts of this checkout are not there: run deploy/local/up"
    fi
    read_ports
}
