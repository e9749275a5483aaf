#!/bin/bash
#
# Remove HA-Lizard from this host: what install.sh put there, and nothing else.

set -u
umask 022
unset HA_LIZARD_ROOT CDPATH GREP_OPTIONS
PATH=/opt/xensource/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
ETC=/etc/ha-lizard
POOL='' KEEP='' YES=''

usage() {
    cat <<'END'
usage: uninstall [--keep-pool | --pool] [--yes]

  --keep-pool   leave the parameters of HA in the pool
  --pool        remove them: HA is then off on every host
  --yes         answer every question with yes

Without either, the parameters go with the last host that has HA-Lizard.
END
}

warn() {
    echo "warning: $*" >&2
}

ask() {
    [ -n "$YES" ] && return
    if [ ! -t 0 ]; then
        echo "not removed: $1 Answer yes with --yes." >&2
        exit 1
    fi
    printf '%s [y/N] ' "$1"
    read -r answer
    case $answer in
        y|Y|yes|YES) return ;;
    esac
    echo 'not removed.' >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

stop_services() {
    for each in ha-lizard-watchdog ha-lizard; do
        [ -x /etc/init.d/$each ] || continue
        # It tells the other hosts that this one promises nothing any more, then
        # closes the kernel's watchdog.
        /etc/init.d/$each stop </dev/null || {
            echo "not removed: $each cannot be stopped" >&2
            exit 1
        }
    done
}

# Is this the last host that has HA-Lizard?  Only if that can be known: every
# other one was silent for a day, or never there.
is_last() {
    [ -x $ETC/scripts/ha-cfg ] || return 1
    hosts=$(xe host-list params=uuid --minimal </dev/null 2>/dev/null) || return 1
    case $hosts in
        ''|*[!0-9a-f,-]*) return 1 ;;
        *,*) ;;
        *) return 0 ;;
    esac
    # Installed here for less than a day: the others may only just have begun.
    # A service that has not worked lately has heard nobody.
    [ -n "$(find $ETC/ha_lizard.py -mmin +1440 2>/dev/null)" ] || return 1
    [ -n "$(find $ETC/state/pool -mmin -1440 2>/dev/null)" ] || return 1
    now=$(date +%s)
    for each in $(echo "$hosts" | tr , ' '); do
        # The watcher notes the hour in which it last heard that one's version.
        shown=$(sed -n "s/^shown\.$each=\([0-9]\{1,12\}\)$/\1/p" $ETC/state/notes 2>/dev/null)
        if [ -z "$shown" ]; then
            ! grep -q "^version\.$each=" $ETC/state/notes 2>/dev/null || return 1
        elif [ $((now - shown)) -lt 90000 ]; then
            return 1
        fi
    done
}

pool_parameters() {
    [ -z "$KEEP" ] || return 0
    if [ -z "$POOL" ] && ! is_last; then
        echo 'the parameters in the pool stay: other hosts may use them (--pool removes them)'
        return 0
    fi
    $ETC/scripts/ha-cfg remove --yes </dev/null ||
        warn 'the parameters in the pool could not be removed: ha-cfg remove, before this, does it'
}

disable_services() {
    for each in ha-lizard ha-lizard-watchdog; do
        [ -e /etc/init.d/$each ] || continue
        if has chkconfig; then
            chkconfig --del $each 2>/dev/null
        fi
        if [ -e /etc/systemd/system/$each.service ]; then
            systemctl disable $each.service >/dev/null 2>&1
            rm -f /etc/systemd/system/$each.service
        fi
    done
}

close_port() {
    case $(cat $ETC/.port-opened 2>/dev/null) in
        firewalld)
            firewall-cmd -q --permanent --remove-port=694/udp
            firewall-cmd -q --remove-port=694/udp ;;
        plugin) /etc/xapi.d/plugins/firewall-port close 694 udp >/dev/null ;;
        iptables)
            iptables -D INPUT -p udp --dport 694 -j ACCEPT
            [ ! -w /etc/sysconfig/iptables ] || service iptables save >/dev/null 2>&1 ;;
    esac
    rm -f $ETC/.port-opened
}

# A file that nobody has changed: nothing in it but comments and empty lines.
remove_unchanged() {
    [ -f "$1" ] || return 0
    if grep -qv '^[[:space:]]*\(#\|$\)' "$1"; then
        echo "$1 stays: it is not as it was installed"
    else
        rm -f "$1"
    fi
}

remove_sample() {
    if grep -q '^    echo "CUSTOM.sh is only a sample' "$1" 2>/dev/null &&
            ! grep -Eq '^ *[0-9a-f]{8}-' "$1"; then
        rm -f "$1"
    fi
}

remove_files() {
    if [ "$(readlink /usr/bin/ha-cfg)" = /etc/ha-lizard/scripts/ha-cfg ]; then
        rm -f /usr/bin/ha-cfg
    fi
    rm -f /usr/bin/.ha-cfg.new /etc/bash_completion.d/ha-cfg /etc/bash_completion.d/.ha-cfg.new
    remove_unchanged $ETC/ha-lizard.conf
    for each in ILO IRMC XVM; do
        remove_unchanged $ETC/fence/$each/$each.hosts
        rm -f $ETC/fence/$each/.$each.hosts.new
        rmdir $ETC/fence/$each 2>/dev/null
    done
    remove_sample $ETC/fence/CUSTOM/CUSTOM.sh
    rm -f $ETC/fence/CUSTOM/.CUSTOM.sh.new
    rmdir $ETC/fence/CUSTOM $ETC/fence 2>/dev/null
    rm -rf $ETC/state
    rm -f $ETC/ha_lizard.pyc $ETC/ha_lizard.pyo $ETC/__pycache__/ha_lizard.*.pyc
    rmdir $ETC/__pycache__ 2>/dev/null
    for each in ha_lizard.py ha-lizard.conf; do
        rm -f $ETC/.$each.new
    done
    rm -f $ETC/ha_lizard.py
    for each in ha-lizard ha-lizard-watchdog; do
        rm -f /etc/init.d/$each /etc/init.d/.$each.new /var/run/$each.pid /var/lock/subsys/$each \
            /var/run/$each.stopper /var/run/$each.looked
    done
    # This script last: what is interrupted can be run again.
    for each in ha-cfg ha-lizard ha-lizard.mon recover_fenced_host uninstall; do
        rm -f $ETC/scripts/.$each.new $ETC/scripts/$each
    done
    rmdir $ETC/scripts $ETC 2>/dev/null
    if [ -d /run/systemd/system ] && has systemctl; then
        systemctl daemon-reload
    fi
    if [ -d $ETC ]; then
        echo "$ETC stays: it holds files of your own"
    fi
    return 0
}

while [ $# -gt 0 ]; do
    case $1 in
        --keep-pool) KEEP=1 ;;
        --pool) POOL=1 ;;
        --yes|-y) YES=1 ;;
        -h|--help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
if [ -n "$KEEP" ] && [ -n "$POOL" ]; then
    usage >&2
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    echo 'not removed: only root can do that.' >&2
    exit 1
fi
ask 'Stop HA-Lizard on this host and remove it?'
stop_services
pool_parameters
disable_services
close_port
remove_files
echo 'HA-Lizard is removed from this host.'
