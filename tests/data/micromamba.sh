#!/bin/bash
# Stands in for micromamba in tests: installs packages of a channel on the loopback interface, which are lists of files
# (kind, path and content, separated by tabs), and keeps them where it is told to.
set -e
action=$1 channels=() specs=() prefix=
[[ $action = create || $action = install ]]
shift
while (($#)); do
    case $1 in
        --yes | --no-rc | --override-channels) shift ;;
        --prefix) prefix=$2; shift 2 ;;
        --channel) channels+=("$2"); shift 2 ;;
        --*) echo "unknown option $1" >&2; exit 2 ;;
        *) specs+=("$1"); shift ;;
    esac
done
[[ -s $SSL_CERT_FILE || -e /etc/ssl/certs/ca-certificates.crt ]]

fetch() { # URL
    local rest=${1#http://} line status length=0
    local host=${rest%%/*}
    {
        printf 'GET /%s HTTP/1.1\r\nhost: %s\r\n\r\n' "${rest#*/}" "$host" >&3
        read -r _ status _ <&3
        while read -r line <&3 && [[ $line != $'\r' ]]; do
            line=${line,,}
            [[ $line != content-length:* ]] || length=${line//[!0-9]/}
        done
        [[ $status = 200 ]] && head -c "$length" <&3
    } 3<>"/dev/tcp/${host%:*}/${host#*:}"
}

mkdir -p "$prefix/conda-meta"
echo "$action $prefix: ${specs[*]}"
for spec in "${specs[@]}"; do
    name=${spec%%=*}
    kept=$CONDA_PKGS_DIRS/$name
    [[ $name != slow* ]] || sleep 2
    for channel in "${channels[@]}"; do
        # Of all other channels there are none here.
        [[ ! -s $kept && $channel = http://* ]] || continue
        echo "fetching $channel/$name"
        fetch "$channel/$name" >"$kept" || rm -f "$kept"
    done
    [[ -s $kept ]] || { echo "error    libmamba Could not solve for environment specs: nothing provides requested $spec" >&2; exit 1; }
    while IFS=$'\t' read -r kind path content; do
        mkdir -p "$prefix/${path%/*}"
        case $kind in
            file) printf '%s\n' "$content" >"$prefix/$path" ;;
            program) printf '#!/bin/sh\n%s\n' "$content" >"$prefix/$path"; chmod 755 "$prefix/$path" ;;
            link) ln -sf "$content" "$prefix/$path" ;;
        esac
    done <"$kept"
done
