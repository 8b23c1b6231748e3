#!/usr/bin/env bash
# The main job, end to end, on this machine: forty devices train a face generator together over
# mutual TLS, while some of them and the coordinator are killed.
#
#   deploy/demo.sh [--faces DIR] [--dir DIR] [--rounds N] [--port N] [--devices N]
#
#   --faces DIR  your own faces instead of drawn ones: a folder of pictures, or a folder a device
#   --dir DIR    where to work (default: a fresh directory under TMPDIR)
#   --port N     of the coordinator, with the next one for enrolment (default: two that are free)
set -eu
cd "$(dirname "$0")/.."
top=$PWD
faces="" work="" rounds=14 port="" n_devices=40
while [ $# -gt 0 ]; do
    case $1 in
    --faces | --dir | --rounds | --port | --devices)
        [ $# -ge 2 ] || { echo "demo.sh: $1 needs a value" >&2; exit 2; }
        case $1 in
        --faces) faces=$2 ;;
        --dir) work=$2 ;;
        --rounds) rounds=$2 ;;
        --port) port=$2 ;;
        --devices) n_devices=$2 ;;
        esac
        shift 2
        ;;
    --help)
        sed -n '2,10s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        echo "demo.sh: there is no option $1 (see --help)" >&2
        exit 2
        ;;
    esac
done
[ -z "$faces" ] || [ -d "$faces" ] || { echo "demo.sh: $faces is no folder" >&2; exit 2; }
[ -z "$faces" ] || faces=$(cd "$faces" && pwd)

say() { printf '%3ds  %s\n' "$SECONDS" "$*"; }
fail() {
    echo "demo.sh: $*" >&2
    exit 1
}

deploy/install-deps.sh build
SECONDS=0
build=$top/build/release
mkdir -p "$top/build"
say "building"
count() { # steps done, on one line
    while IFS= read -r line; do
        echo "$line"
        [ ! -t 2 ] || printf '\r      %-20s\r' "$(sed -n 's/^\(\[[0-9/]*\]\).*/\1/p' <<<"$line")" >&2
    done
}
set -o pipefail
{ [ -e "$build/build.ninja" ] || meson setup "$build" --buildtype=release -Dwerror=false -Dtests=false; } \
    >"$build.log" 2>&1 && ninja -C "$build" 2>&1 | count >>"$build.log" || {
    tail -n 20 "$build.log" >&2
    fail "the build failed; see $build.log"
}
export PATH=$build/server/tools:$build/server/shell:$build/client/demo:$PATH

[ -n "$work" ] || work=$(mktemp -d "${TMPDIR:-/tmp}/mien-demo-XXXXXX")
mkdir -p "$work"
work=$(cd "$work" && pwd)
state=$work/state
[ ! -e "$state" ] || { echo "demo.sh: $work holds a demonstration already" >&2; exit 2; }
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
for candidate in $(seq 7700 2 7900); do
    [ -z "$port" ] || break
    taken "$candidate" || taken $((candidate + 1)) || port=$candidate
done
pids=()
coordinator=""
stop_all() {
    kill -9 "${pids[@]}" $coordinator 2>/dev/null || true
    { wait || true; } 2>/dev/null
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# --- faces that stay where they are -----------------------------------------------------------
private=$work/faces
if [ -z "$faces" ]; then
    say "drawing $n_devices folders of faces, most with glasses"
    mien faces --devices "$n_devices" --each 20 --glasses 0.9 --hat 0.3 --seed 7 --out "$private" >/dev/null 2>&1
elif [ -n "$(find "$faces" -maxdepth 1 -type f \( -name '*.png' -o -name '*.jpg' -o -name '*.jpeg' \) -print -quit)" ]; then
    say "dealing the pictures of $faces to $n_devices folders"
    i=0
    while IFS= read -r picture; do
        device=$(printf 'd%04d' $((i % n_devices + 1)))
        mkdir -p "$private/$device"
        cp "$picture" "$private/$device/"
        i=$((i + 1))
    done < <(find "$faces" -maxdepth 1 -type f \( -name '*.png' -o -name '*.jpg' -o -name '*.jpeg' \) | sort)
    [ "$i" -ge $((4 * n_devices)) ] ||
        { echo "demo.sh: $faces has $i pictures, $n_devices devices need four each (see --devices)" >&2; exit 2; }
else
    private=$faces
fi
folders=()
for folder in "$private"/*/; do
    [ "${#folders[@]}" -ge "$n_devices" ] || folders+=("${folder%/}")
done
[ "${#folders[@]}" -eq "$n_devices" ] || { echo "demo.sh: $private has ${#folders[@]} folders of faces, expected $n_devices" >&2; exit 2; }

# --- a coordinator, forty devices ---------------------------------------------------------------
say "making the coordinator's state, from a public model of drawn faces without glasses"
mien init "$state" --preset demo --port "$port" --set round.cohort="$n_devices" \
    --set round.min_reports=$((n_devices * 5 / 8)) --set round.rounds="$rounds" \
    --set plan.init_from="$top/deploy/demo/start.safetensors" >"$work/init.log" 2>&1 || fail "$(cat "$work/init.log")"
mien token "$state" --count "$n_devices" >"$work/tokens"

released() { mien status "$state" --json 2>/dev/null | sed -n 's/.*"model":\([0-9]*\),.*/\1/p'; }
phase() { mien status "$state" --json 2>/dev/null | sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p'; }
in_round() { # until devices train, or their sums are under way
    for _ in $(seq 100); do
        case $(phase) in collect | keys | shares | inputs) return ;; esac
        sleep 0.05
    done
}
epsilon_now() { mien status "$state" --json 2>/dev/null | sed -n 's/.*"epsilon":\([0-9.e+-]*\),.*/\1/p'; }
short() { awk -v x="$1" 'BEGIN { printf "%.4g", x }'; }

start_coordinator() {
    mien-coordinator "$state" "$@" >>"$work/coordinator.log" 2>&1 &
    coordinator=$!
    for _ in $(seq 100); do
        [ -S "$state/control.sock" ] && mien status "$state" --json >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "the coordinator did not start; see $work/coordinator.log"
}

start_device() { # NUMBER from 0
    mien-device run --state "$work/device$1" --faces "${folders[$1]}" >>"$work/device$1.log" 2>&1 &
    pids[$1]=$!
    disown # the shell need not say that it was killed
}

start_coordinator --rounds "$rounds"
say "enrolling $n_devices devices with tokens"
i=0
while IFS= read -r token; do
    mien-device enrol --token "$token" --state "$work/device$i" >/dev/null 2>>"$work/device$i.log"
    i=$((i + 1))
done <"$work/tokens"
say "$n_devices devices begin"
for i in $(seq 0 $((n_devices - 1))); do start_device "$i"; done

# --- rounds, and what happens to them -------------------------------------------------------------
stage() { # VERSION: pictures of the model as it is, for a row of the sheet
    mien generate "$state" --count 12 --seed 5 --out "$work/stage$1" >"$work/generate.log" 2>&1 ||
        fail "$(cat "$work/generate.log")"
    stages+=("$work/stage$1")
}
stages=()
stage 00
step=$(((rounds + 3) / 4)) next=$step
killed_devices=no killed_coordinator=no version=0 shown=0
while :; do
    sleep 0.5
    now=$(released)
    version=${now:-$version}
    if [ "$version" -gt "$shown" ]; then
        shown=$version
        say "round $version of $rounds is released, epsilon $(short "$(epsilon_now)")"
        if [ "$version" -ge "$next" ]; then
            stage "$(printf %02d "$version")"
            next=$((next + step))
        fi
    fi
    if [ "$killed_devices" = no ] && [ "$version" -ge $((rounds / 4)) ]; then
        killed_devices=yes
        in_round
        dead=$(seq 3 10 $((n_devices - 1)))
        for i in $dead; do kill -9 "${pids[$i]}" 2>/dev/null || true; done
        say "killed one device in ten in mid-round"
        sleep 0.5
        for i in $dead; do start_device "$i"; done
    fi
    if [ "$killed_coordinator" = no ] && [ "$version" -ge $((rounds / 2)) ]; then
        killed_coordinator=yes
        in_round
        kill -9 "$coordinator"
        { wait "$coordinator" || true; } 2>/dev/null
        before=$version
        version=$(released)
        [ "$version" -ge "$before" ] || fail "version $before was lost with the coordinator"
        say "killed the coordinator in mid-round, after version $version; starting it again"
        start_coordinator --rounds $((rounds - version))
    fi
    kill -0 "$coordinator" 2>/dev/null || break
    if [ "$SECONDS" -gt 600 ]; then
        fail "gave up after ten minutes; see $work/coordinator.log"
    fi
done
wait "$coordinator" || fail "the coordinator failed; see $work/coordinator.log"
version=$(released)
[ "$version" -eq "$rounds" ] || fail "$version of $rounds rounds were released; see $work/coordinator.log"
for i in $dead; do
    awk '/device.start/ { back = 0; starts++ } /released=1 took_part=1/ { back = starts > 1 }
        END { exit !back }' "$work/device$i.log" ||
        fail "device $i did not come back; see $work/device$i.log"
done
last=$work/stage$(printf %02d "$version")
[ -d "$last" ] || stage "$(printf %02d "$version")"

# --- the budget, the set, the checks ----------------------------------------------------------------
epsilon=$(epsilon_now)
say "one round more than the budget allows"
refused=0
start_coordinator --rounds 1 --set privacy.epsilon_cap="$epsilon"
wait "$coordinator" || refused=$?
coordinator=""
[ "$refused" -eq 3 ] || fail "the budget let a round through (status $refused); see $work/coordinator.log"
say "it was refused"
kill -9 "${pids[@]}" 2>/dev/null || true

mien generate "$state" --count 256 --seed 1 --out "$work/set" --grid "$work/set.png" >/dev/null
mien sheet "${stages[@]}" --out "$work/sheet.png"
mien verify "$state" >"$work/verify.txt" || fail "$(cat "$work/verify.txt")"

# The same noise on the average at a larger fleet: cohort and z grown alike until z is 1.
z=$(sed -n 's/^noise_multiplier *= *//p' "$state/mien.conf" | head -n 1)
cohort=$(awk -v z="$z" -v m="$n_devices" 'BEGIN { printf "%d", m / z + 0.5 }')
low=0 high=1
for _ in $(seq 30); do
    rate=$(awk -v a="$low" -v b="$high" 'BEGIN { printf "%.9f", (a + b) / 2 }')
    cost=$(mien account --noise 1 --rate "$rate" --rounds "$rounds" --delta 1e-8 --json | sed -n 's/.*"epsilon": *\([0-9.e+-]*\).*/\1/p')
    if awk -v e="$cost" 'BEGIN { exit !(e <= 1) }'; then low=$rate; else high=$rate; fi
done
fleet=$(awk -v q="$low" -v m="$cohort" 'BEGIN { printf "%d", m / q + 0.5 }')

echo
echo "$n_devices devices trained a generator together in $version rounds ($SECONDS s); $(wc -w <<<"$dead") were killed in mid-round, the coordinator once: nothing was lost ($work/verify.txt)."
echo "The faces of their owners arrive from top to bottom in $work/sheet.png; 256 pictures with metadata and a signed release are in $work/set ($work/set.png)."
echo "Privacy spent: epsilon $(short "$epsilon") at delta 1e-5 for each person. That is honest, and far too much: $n_devices people cannot hide each other. The next round was refused by the budget."
echo "With the same noise on the average, a fleet of $fleet people and a cohort of $cohort (z = 1) would spend epsilon 1 at delta 1e-8 in $version rounds."
echo "Look further: mien status $state; mien verify $state; $work/coordinator.log; docs/privacy.md."
