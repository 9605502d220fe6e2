# What tests/engine/up and down share; sourced, never run. The one choice made: everything of an engine (programs, data, sockets,
# logs, the record of what to undo) lies in one folder, so that engines do not disturb each other, nor a Docker that the machine has.
# shellcheck shell=bash

MARK=.imgspec-engine # only a folder that has this file in it is ever removed
STORES=(classic containerd)
NET=10.198 # engines take their bridges' networks out of here: $NET.(2n).0/23 for bridge number n

say() { printf '%s\n' "engine: $*" >&2; }
die() { say "$*"; exit 1; }

state_dir() { # the argument of --state, or the default, as an absolute path
    local dir=${1:-${TMPDIR:-/tmp}/imgspec-engine}
    [[ $dir != *[[:space:]\"\'\\,:]* ]] || die "--state $dir: blanks, quotes, backslashes, commas and colons are not for mount options"
    realpath -m -- "$dir"
}

# -- processes: DIR/pids has a line "NAME PID" for each; a pid counts only while its command line still names DIR
pid_of() { awk -v name="$1" '$1 == name { pid = $2 } END { print pid }' "$DIR/pids" 2>/dev/null || true; }

alive() { # NAME
    local pid
    pid=$(pid_of "$1")
    [[ -n $pid && -r /proc/$pid/cmdline ]] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$DIR/"
}

forget() { # NAME
    [[ -e $DIR/pids ]] || return 0
    sed "/^$1 /d" "$DIR/pids" >"$DIR/pids.new"
    mv "$DIR/pids.new" "$DIR/pids"
}

start() { # NAME COMMAND…: in a session of its own, with no descriptor of ours but its log
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

stop() { # NAME: asks, waits up to 15 s, then kills
    local pid i
    if alive "$1"; then
        pid=$(pid_of "$1")
        kill "$pid" 2>/dev/null || true
        for ((i = 0; i < 150; i++)); do
            alive "$1" || break
            sleep 0.1
        done
        ! alive "$1" || kill -9 "$pid" 2>/dev/null || true
    fi
    forget "$1"
}

stop_leftovers() { # shims and containers of an engine whose daemon was killed: known by their socket, or by a root inside DIR
    local proc pid
    for proc in /proc/[0-9]*; do
        pid=${proc##*/}
        [[ $pid != "$$" ]] || continue
        if tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | grep -qF -- "-address $1/" ||
            awk -v dir="$1/" '$5 == "/" && index($0, dir) { found = 1 } END { exit !found }' "$proc/mountinfo" 2>/dev/null; then
            kill -9 "$pid" 2>/dev/null || true
        fi
    done
}

unmount_below() { # FOLDER: deepest first
    awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r at; do
        umount -l "$(printf '%b' "$at")" 2>/dev/null || true
    done
}

# -- network: one bridge a daemon, whose rules are ours and not Docker's: daemons that share the tables would flush each other's
rules() { # -I or -D, NUMBER
    local net=$NET.$((2 * $2)).0/23 failed=0
    iptables -w "$1" FORWARD -s "$net" -j ACCEPT 2>/dev/null || failed=1
    iptables -w "$1" FORWARD -d "$net" -j ACCEPT 2>/dev/null || failed=1
    iptables -w -t nat "$1" POSTROUTING -s "$net" ! -d "$net" -j MASQUERADE 2>/dev/null || failed=1
    return $failed
}

bridge_up() { # STORE: writes the number of its bridge to DIR/STORE/bridge
    local n file=$DIR/$1/bridge
    if [[ -s $file ]] && ip link show "imgspec$(<"$file")" >/dev/null 2>&1; then
        n=$(<"$file")
    else
        for ((n = 0; n < 128; n++)); do
            [[ -z $(ip -4 route show root "$NET.$((2 * n)).0/23") ]] || continue
            ip link add "imgspec$n" type bridge 2>/dev/null && break # the name is taken by one of us only
        done
        ((n < 128)) || die "no free network in $NET.0.0/16"
        echo "$n" >"$file"
    fi
    ip addr replace "$NET.$((2 * n)).1/24" dev "imgspec$n"
    ip link set "imgspec$n" up
    while rules -D "$n"; do :; done
    rules -I "$n" || die "iptables cannot add the rules that builds need to reach the network"
}

bridge_down() { # STORE
    local n file=$DIR/$1/bridge
    [[ -s $file ]] || return 0
    n=$(<"$file")
    while rules -D "$n"; do :; done
    ip link del "imgspec$n" 2>/dev/null || true
    rm -f "$file"
}

# -- cache: a file counts only if its checksum beside it says so, and appears there whole
cache_open() {
    CACHE=${IMGSPEC_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/imgspec-tests}
    if ! mkdir -p "$CACHE" 2>/dev/null || [[ ! -w $CACHE ]]; then
        CACHE=$DIR/cache
        mkdir -p "$CACHE"
    fi
    find "$CACHE" -maxdepth 1 -mindepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null || true # not used for a month
}

whole() { # FILE SUMFILE
    [[ -s $1 && -s $2 && $(<"$2") == "$(sha256sum <"$1")" ]]
}

cached() { # NAME DESTINATION COMMAND…: DESTINATION becomes the file that COMMAND makes at the path it gets as last argument
    local name=$1 to=$2 new
    shift 2
    rm -f "$to"
    if ln "$CACHE/$name" "$to" 2>/dev/null || cp "$CACHE/$name" "$to" 2>/dev/null; then
        if whole "$to" "$CACHE/$name.sha256"; then
            touch "$CACHE/$name" "$CACHE/$name.sha256"
            return 0
        fi
        say "$CACHE/$name is damaged: made anew"
        rm -f "$to"
    fi
    new=$(mktemp -d "$CACHE/.new-XXXXXXXX")
    "$@" "$new/file" || { rm -rf "$new"; return 1; }
    sha256sum <"$new/file" >"$new/sum"
    sync "$new/file" "$new/sum"
    ln "$new/file" "$to" 2>/dev/null || cp "$new/file" "$to"
    mv "$new/sum" "$CACHE/$name.sha256"
    mv "$new/file" "$CACHE/$name"
    rm -rf "$new"
}
