# Sourced by the integration tests: real programs, on loopback, in a directory that goes away.
#   MIEN, MIEN_COORDINATOR, MIEN_DEVICE   the built programs, set by meson
# shellcheck shell=bash
set -u
umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/mien-test-XXXXXX") || exit 1
cd "$work" || exit 1
started=()    # process ids that may still run
mounted=""    # a small file system
checks=0

clean_up() {
    local status=$?
    [ "${#started[@]}" = 0 ] || kill -9 "${started[@]}" 2>/dev/null
    wait 2>/dev/null
    [ -z "$mounted" ] || umount "$mounted" 2>/dev/null
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in coordinator.log devices.log; do
            [ ! -s "$log" ] || { echo "--- end of $log" >&2; tail -n 25 "$log" >&2; }
        done
    fi
    cd / && rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip() {
    echo "SKIP: $*"
    exit 77
}

# expect STATUS PATTERN COMMAND...: the exit status, and one sentence on stderr that matches the
# extended regular expression; log lines (a time first) are no sentences.
expect() {
    local want=$1 pattern=$2 got=0 said
    shift 2
    timeout 60 "$@" >out 2>err || got=$?
    said=$(grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T' err)
    [ "$got" = "$want" ] || fail "$*: exit status $got, expected $want; it said: $(cat err)"
    [[ "$said" =~ $pattern ]] || fail "$*: said \"$said\", expected $pattern"
    [ "$want" = 0 ] || [ "$(grep -c . <<<"$said")" = 1 ] || fail "$*: not one sentence: $said"
    checks=$((checks + 1))
}

# is WHAT GOT WANT
is() {
    [ "$2" = "$3" ] || fail "$1: $2, expected $3"
    checks=$((checks + 1))
}

# until_true SECONDS WHAT COMMAND...
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"
        sleep 0.1
    done
}

# A port with a free one after it; below the range that the system hands out by itself.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null && continue
        echo "$port"
        return
    done
    fail "no free port"
}

# init DIR N [OPTION]...: a state for N devices whose rounds are short
init() {
    local dir=$1 n=$2
    shift 2
    port=$(free_port)
    "$MIEN" init "$dir" --preset demo --port "$port" --set "round.cohort=$n" \
        --set "round.min_reports=$((n * 2 / 3))" --set secure_sum.group_min=3 \
        --set plan.local_steps=2 --set plan.batch=8 --set plan.g_steps=1 --set plan.g_batch=4 \
        "$@" 2>err || fail "init: $(cat err)"
}

answers() { [ -S "$1/control.sock" ] && "$MIEN" status "$1" --json >/dev/null 2>&1; }

# start_coordinator DIR [OPTION]...: sets coordinator
start_coordinator() {
    "$MIEN_COORDINATOR" "$@" 2>>coordinator.log &
    coordinator=$!
    started+=("$coordinator")
    until_true 20 "the coordinator answers" answers "$1"
}

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# end_of PID SECONDS: its exit status, in ended
end_of() {
    until_true "$2" "process $1 ends" gone "$1"
    ended=0
    wait "$1" 2>/dev/null || ended=$?
}

# enrol DIR N: devices d0 ... of as many tokens
enrol() {
    local token i=0
    "$MIEN" token "$1" --count "$2" >tokens || fail "no tokens"
    while IFS= read -r token; do
        "$MIEN_DEVICE" enrol --token "$token" --state "d$i" >>ids 2>>devices.log ||
            fail "device $i is not enrolled"
        i=$((i + 1))
    done <tokens
}

# start_device NUMBER FACES: sets device[NUMBER]
device=()
start_device() {
    "$MIEN_DEVICE" run --state "d$1" --faces "$2" >/dev/null 2>>devices.log &
    device[$1]=$!
    started+=("${device[$1]}")
}

# field DIR NAME: of mien status, a number or a word
field() { "$MIEN" status "$1" --json 2>/dev/null | sed -n "s/.*\"$2\":\"\{0,1\}\([A-Za-z0-9.e+-]*\).*/\1/p"; }

# at_version DIR N: at least
at_version() { [ "$(field "$1" model)" -ge "$2" ] 2>/dev/null; }

# in_phase DIR PHASE...
in_phase() {
    local dir=$1 now
    shift
    now=$(field "$dir" phase)
    for phase; do [ "$now" = "$phase" ] && return 0; done
    return 1
}

# faces N EACH: folders faces/d0001 ...
faces() {
    "$MIEN" faces --devices "$1" --each "$2" --seed 3 --out faces >/dev/null 2>err ||
        fail "faces: $(cat err)"
}

done_testing() { echo "$checks checks"; }
