# Shared by tests/engine/up and down; sourced, never run. All parts of an engine (binaries, data, sockets, logs,
# records of what to undo) are in one directory, so that engines disturb neither each other nor the machine's Docker.
# shellcheck shell=bash disable=SC2034

MARK=.imgspec-engine # only a directory that has this file in it is ever removed
STORES=(classic containerd second)
NET=10.198 # engines take the networks of their bridges out of here: $NET.(2n).0/23 for bridge number n

say() { printf '%s\n' "engine: $*" >&2; }
die() {
    say "$*"
    exit 1
}

state_dir() { # the argument of --state, or the default, as an absolute path
    local dir
    dir=$(realpath -m -- "${1:-${TMPDIR:-/tmp}/imgspec-engine}")
    [[ $dir =~ ^[[:alnum:]/._@+=-]+$ ]] || die "--state $dir: letters, digits and ._@+=- only, as it becomes part of mount options"
    ((${#dir} <= 70)) || die "--state $dir: too long for the path of a socket"
    echo "$dir"
}

is_debian() {
    # shellcheck disable=SC1091
    [[ -r /etc/os-release && $(. /etc/os-release && echo "$ID") == debian ]]
}

cannot_start() { # prints why no private engine can be started here and fails, or succeeds
    if ! is_debian; then
        echo "a private engine is made of Debian's packages, and this is not Debian"
    elif ((EUID != 0)); then
        echo "a private engine needs root"
    elif ! unshare -m true 2>/dev/null; then
        echo "a private engine needs the right to mount, which root lacks here (a container?)"
    else
        return 0
    fi
    return 1
}

apt_install() { # PACKAGE…: one call at a time, because apt-get does not wait for the lists that another one fetches
    local -x DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
    {
        flock 8
        "${install[@]}" >>"$DIR/apt.log" 2>&1 && return
        apt-get update -qq >>"$DIR/apt.log" 2>&1 || true
        "${install[@]}" >>"$DIR/apt.log" 2>&1 && return
    } 8</etc/apt
    tail -n 20 "$DIR/apt.log" >&2
    die "apt-get cannot install: $*"
}

lock() { # of DIR, until this process ends
    while :; do
        mkdir -p "$DIR"
        exec 9>"$DIR/lock"
        flock 9
        [[ $DIR/lock -ef /proc/$$/fd/9 ]] && return # else a `down` has removed it while we waited
    done
}

# -- processes: DIR/pids has a line "NAME PID" for each; a pid counts only while its command line still names DIR
pid_of() { awk -v name="$1" '$1 == name { pid = $2 } END { print pid }' "$DIR/pids" 2>/dev/null || true; }

alive() { # NAME
    local pid
    pid=$(pid_of "$1")
    [[ -n $pid ]] && grep -qaF -- "$DIR/" "/proc/$pid/cmdline" 2>/dev/null
}

forget() { # NAME
    [[ -e $DIR/pids ]] || return 0
    sed "/^$1 /d" "$DIR/pids" >"$DIR/pids.new"
    mv "$DIR/pids.new" "$DIR/pids"
}

start() { # NAME COMMAND…: in a session of its own, with no descriptor of ours
    local name=$1 log=$DIR/$1.log
    shift
    forget "$name"
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
        done
        exec env PATH="$DIR/opt/usr/sbin:$DIR/opt/usr/bin:$PATH" setsid "$@" </dev/null >>"$log" 2>&1
    ) &
    echo "$name $!" >>"$DIR/pids"
    disown "$!"
}

stop() { # NAME TENTHS: asks, waits so long, then kills
    local pid i
    pid=$(pid_of "$1")
    ! alive "$1" || kill "$pid" 2>/dev/null || true
    for ((i = 0; i < $2; i++)); do
        alive "$1" || break
        sleep 0.1
    done
    ! alive "$1" || kill -9 "$pid" 2>/dev/null || true
    forget "$1"
}

kill_named_by() { # lines of /proc/PID/…
    local pid
    while IFS=/ read -r _ _ pid _; do
        kill -9 "$pid" 2>/dev/null || true
    done
}

kill_containers() { # FOLDER: all whose root lies inside
    { grep -l -- "^[0-9]* [0-9]* [^ ]* [^ ]* / .*${1//./\\.}/" /proc/[0-9]*/mountinfo 2>/dev/null || true; } | kill_named_by
}

kill_shims() { # FOLDER: what a containerd that was killed left behind
    { grep -laF -- "$1/containerd.sock" /proc/[0-9]*/cmdline 2>/dev/null || true; } | kill_named_by
}

unmount_below() { # FOLDER: deepest first
    awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r at; do
        umount -l "$at" 2>/dev/null || true
    done
}

stop_store() { # STORE
    local patience=150
    if alive "dockerd-$1"; then
        kill "$(pid_of "dockerd-$1")" 2>/dev/null || true
        sleep 0.3
        kill_containers "$DIR/$1" # now that it restarts none; it would give each 10 s
    fi
    alive "containerd-$1" || patience=0 # without it dockerd cannot end in peace
    stop "dockerd-$1" $patience
    stop "containerd-$1" 50
    kill_shims "$DIR/$1"
    kill_containers "$DIR/$1"
    unmount_below "$DIR/$1"
}

# -- network: one bridge per daemon, with our own rules instead of Docker's: daemons that share the tables would flush each other's
rules() { # -I or -D, NUMBER; -D fails when there was nothing to delete
    local net=$NET.$((2 * $2)).0/23 done=1
    iptables -w "$1" FORWARD -s "$net" -j ACCEPT 2>/dev/null && done=0
    iptables -w "$1" FORWARD -d "$net" -j ACCEPT 2>/dev/null && done=0
    iptables -w -t nat "$1" POSTROUTING -s "$net" ! -d "$net" -j MASQUERADE 2>/dev/null && done=0
    return $done
}

bridge_up() { # STORE: writes the number of the bridge to DIR/STORE/bridge
    local n file=$DIR/$1/bridge
    if [[ -s $file ]] && ip link show "imgspec$(<"$file")" >/dev/null 2>&1; then
        n=$(<"$file")
    else
        for ((n = 0; n < 128; n++)); do
            [[ -z $(ip -4 route show root "$NET.$((2 * n)).0/23") ]] || continue
            ip link add "imgspec$n" type bridge 2>/dev/null && break # fails when another engine was faster
        done
        ((n < 128)) || die "no network is free in $NET.0.0/16, or no bridge can be made"
        echo "$n" >"$file"
    fi
    ip addr replace "$NET.$((2 * n)).1/24" dev "imgspec$n"
    ip link set "imgspec$n" up
    while rules -D "$n"; do :; done
    rules -I "$n" || die "iptables cannot add the rules by which builds reach the network"
}

bridge_down() { # STORE
    local n file=$DIR/$1/bridge
    [[ -s $file ]] || return 0
    n=$(<"$file")
    while rules -D "$n"; do :; done
    ip link del "imgspec$n" 2>/dev/null || true
    rm -f "$file"
}

# -- cache: optional; files are written atomically and used only if they match the checksum next to them
cache_open() {
    CACHE=${IMGSPEC_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/imgspec-tests}
    if ! mkdir -p "$CACHE" 2>/dev/null || [[ ! -w $CACHE ]]; then
        CACHE=$DIR/cache
        mkdir -p "$CACHE"
    fi
    find "$CACHE" -mindepth 1 -maxdepth 1 \( -mtime +30 -o -name '.new-*' -mtime +0 \) -exec rm -rf {} + # not used for a month
}

key_of() { # FUNCTION…: changes when what the functions do changes, or standard input
    { declare -f "$@" && cat; } | sha256sum | cut -c1-12
}

cached() { # NAME DESTINATION COMMAND…: DESTINATION becomes the file that COMMAND makes at the path it gets as last argument
    local name=$1 to=$2 new
    shift 2
    rm -f "$to"
    if ln "$CACHE/$name" "$to" 2>/dev/null || cp "$CACHE/$name" "$to" 2>/dev/null; then
        if [[ $(sha256sum <"$to") == "$(cat "$CACHE/$name.sha256" 2>/dev/null)" ]]; then
            touch "$CACHE/$name" "$CACHE/$name.sha256"
            return
        fi
        say "$CACHE/$name is damaged: made anew"
        rm -f "$to"
    fi
    new=$(mktemp -d "$CACHE/.new-$$-XXXXXXXX")
    "$@" "$new/file"
    sha256sum <"$new/file" >"$new/sum"
    sync "$new/file" "$new/sum"
    ln "$new/file" "$to" 2>/dev/null || cp "$new/file" "$to"
    mv "$new/file" "$CACHE/$name"
    mv "$new/sum" "$CACHE/$name.sha256"
    rmdir "$new"
}
