#!/bin/bash
#
# Install HA-Lizard on this host, or upgrade it.  It can be run again at any
# time, also after it was interrupted, and then changes only what differs.

set -u
umask 022
# Nothing that an administrator has in his environment decides where we write.
unset HA_LIZARD_ROOT CDPATH GREP_OPTIONS
PATH=/opt/xensource/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL

NOSTART='' YES='' ROOT=''
FROM=$(cd "$(dirname "$0")" && pwd) || exit 1
NEEDED_KB=20480
OLD_SCRIPTS='/etc/(ha-lizard/(ha-lizard\.sh|scripts/ha-lizard\.mon)|init\.d/ha-lizard(-watchdog)?)'
CHANGED='' OLD=''

usage() {
    cat <<'END'
usage: ./install.sh [--nostart] [--yes] [--prefix DIR]

  --nostart     do not start the services; if files change, running ones stop
  --yes         answer every question with yes
  --prefix DIR  put the files below DIR and do nothing else: for packages

To remove it again: /etc/ha-lizard/scripts/uninstall
END
}

say() {
    echo "$*"
}

warn() {
    echo "warning: $*" >&2
}

fail() {
    echo "not installed: $*" >&2
    exit 1
}

# ask QUESTION: nobody is asked when nobody can answer.
ask() {
    [ -n "$YES" ] && return
    [ -t 0 ] || fail "$1 Answer yes with --yes."
    printf '%s [y/N] ' "$1"
    read -r answer
    case $answer in
        y|Y|yes|YES) return ;;
    esac
    fail 'as you wish.'
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# -- what this host is --------------------------------------------------------

check_source() {
    for each in ha_lizard.py ha-cfg uninstall.sh init.d/ha-lizard init.d/ha-lizard-watchdog \
            fence/ILO/ILO.hosts fence/IRMC/IRMC.hosts fence/XVM/XVM.hosts \
            fence/CUSTOM/CUSTOM.sh; do
        [ -r "$FROM/$each" ] || fail "$FROM/$each is missing: unpack it again."
    done
}

# The interpreter of this host: Python 3 where there is one.
find_python() {
    for each in python3 /usr/libexec/platform-python python python2; do
        PYTHON=$(command -v "$each") || continue
        "$PYTHON" -c '
import sys, os, re, select, signal, socket, struct, subprocess, syslog, fcntl, pty
number = sys.version_info[:2]
sys.exit(not ((2, 4) <= number < (3, 0) or number >= (3, 6)))' 2>/dev/null && return
    done
    fail 'no Python was found: 2.4 to 2.7, or 3.6 and later.'
}

check_host() {
    [ "$(id -u)" -eq 0 ] || fail 'only root can install it.'
    [ -r /etc/xensource-inventory ] ||
        fail 'this is no XenServer, XCP or XCP-ng host: /etc/xensource-inventory is missing.'
    version=$(sed -n "s/^PRODUCT_VERSION=['\"]*\([0-9.]*\).*/\1/p" /etc/xensource-inventory |
        head -n 1)
    case $version in
        '') warn 'the version of this host is not in /etc/xensource-inventory' ;;
        0.*|1.[0-5]*|[2-5].*|6.0*) ask "Version $version is older than all it was made for. Go on?" ;;
    esac
    name=$(hostname)
    case $name in
        ''|localhost|localhost.*|'(none)')
            warn "this host is called \"$name\": alerts will not tell where they come from" ;;
    esac
    if ! has xe; then
        warn 'there is no xe on this host'
    fi
}

check_disk() {
    folder=$ROOT/etc
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')
    case $free in
        ''|*[!0-9]*) return ;;
    esac
    [ "$free" -ge $NEEDED_KB ] || fail "$folder has only $free KB left; $NEEDED_KB are needed."
}

# -- files --------------------------------------------------------------------

folder() {              # folder MODE PATH
    [ -d "$2" ] || mkdir -p "$2" || fail "cannot make $2"
    [ "$(stat -c %a "$2")" = "$1" ] || chmod "$1" "$2" || fail "cannot change the mode of $2"
}

# put MODE PATH COMMAND...: what the command says, whole or not at all, and only
# if it differs from what is there.
put() {
    mode=$1 path=$2 new=${2%/*}/.${2##*/}.new
    shift 2
    rm -f "$new"
    (umask 077 && "$@" >"$new") || fail "cannot write $new"
    if [ -f "$path" ] && [ ! -L "$path" ] && cmp -s "$new" "$path"; then
        rm -f "$new"
        [ "$(stat -c %a "$path")" = "$mode" ] || chmod "$mode" "$path"
        return
    fi
    before_change
    chmod "$mode" "$new" || fail "cannot change the mode of $new"
    mv -f "$new" "$path" || fail "cannot write $path"
}

# with_python FILE: that script, with the interpreter of this host.
with_python() {
    echo "#!$PYTHON"
    sed 1d "$1"
}

# What the services run: the compiled module.  A script is compiled at every start,
# which costs 20 MB for as long as it runs.
program() {
    cat <<END
#!$PYTHON
import sys
sys.path.insert(0, '/etc/ha-lizard')
import ha_lizard
sys.exit(ha_lizard.main(sys.argv[1:]))
END
}

# Only what is missing: these files are the administrator's.
keep_or_put() {
    [ -e "$2" ] || put "$@"
}

completion() {
    PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$FROM/ha-cfg" completion
}

# The settings table, every line commented out.
# shellcheck disable=SC2016
conf() {
    PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -c '
import sys, textwrap
sys.path.insert(0, sys.argv[1])
import ha_lizard
say = sys.stdout.write
say("""\
# Parameters of this host alone: they win over those of the pool, which
# `ha-cfg get` shows and `ha-cfg set` changes.  NAME=value, one a line; read at
# the start of every round, and never executed.  Passwords may stand here: keep
# this file 0600.  Every value below is the default.
""")
local = False
for row in sorted(ha_lizard.SETTINGS, key=lambda row: row.name) + list(ha_lizard.SWITCHES):
    if row.local and not local:
        say("\n# Switches for each function: only here, not in the pool.\n")
    local = row.local
    value = ha_lizard.as_stored(row.default) or "\"\""
    if value.startswith("("):
        value = "\"%s\"" % value
    if local:
        say("#%s=%s\n" % (row.name, value))
    else:
        meaning = row.meaning + (row.fate and " (%s)" % row.fate)
        say("\n# %s\n#%s=%s\n" % ("\n# ".join(textwrap.wrap(meaning, 76)),
                                  row.name, value))
' "$FROM"
}

monitor() {
    cat <<'END'
#!/bin/sh
# The service for a dom0 without SysV init and without systemd.  Start it from
# /etc/rc.local, with & at the end; never beside the service itself.
PROGRAM=/etc/ha-lizard/scripts/ha-lizard
PAUSE=10                # seconds until it is started again when it died
daemon='' pause=''
unset HA_LIZARD_ROOT

end() {
    trap '' TERM INT
    [ -z "$pause" ] || kill "$pause" 2>/dev/null
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null
    wait
    exit 0
}
trap end TERM INT
# The terminal that it was started from may be closed.
trap '' HUP

if text=$("$PROGRAM" status); then
    echo "ha-lizard.mon: $text" >&2
    exit 1
fi
while :; do
    "$PROGRAM" run "$@" &
    daemon=$!
    wait $daemon
    daemon=''
    logger -t ha-lizard "ha-lizard.mon: the service ended; it starts again in $PAUSE s"
    sleep $PAUSE &
    pause=$!
    wait $pause
    pause=''
done
END
}

recover() {
    cat <<'END'
#!/bin/sh
# Lift the suspension of HA on this host.
exec /etc/ha-lizard/scripts/ha-cfg recover "$@"
END
}

install_files() {
    etc=$ROOT/etc/ha-lizard
    folder 755 "$etc"
    folder 755 "$etc/scripts"
    folder 755 "$etc/fence"
    folder 700 "$etc/state"
    folder 755 "$ROOT/etc/init.d"
    folder 755 "$ROOT/etc/bash_completion.d"
    folder 755 "$ROOT/usr/bin"
    # Before anything is replaced: it must at least be a program for this Python.
    check_syntax
    for each in ILO IRMC XVM; do
        folder 755 "$etc/fence/$each"
        keep_or_put 644 "$etc/fence/$each/$each.hosts" cat "$FROM/fence/$each/$each.hosts"
    done
    folder 755 "$etc/fence/CUSTOM"
    keep_or_put 755 "$etc/fence/CUSTOM/CUSTOM.sh" cat "$FROM/fence/CUSTOM/CUSTOM.sh"
    keep_or_put 600 "$etc/ha-lizard.conf" conf
    put 755 "$etc/ha_lizard.py" with_python "$FROM/ha_lizard.py"
    put 755 "$etc/scripts/ha-cfg" with_python "$FROM/ha-cfg"
    put 755 "$etc/scripts/ha-lizard" program
    put 755 "$etc/scripts/ha-lizard.mon" monitor
    put 755 "$etc/scripts/recover_fenced_host" recover
    put 755 "$etc/scripts/uninstall" cat "$FROM/uninstall.sh"
    put 755 "$ROOT/etc/init.d/ha-lizard-watchdog" watch_interval
    put 755 "$ROOT/etc/init.d/ha-lizard" watchdog_line
    put 644 "$ROOT/etc/bash_completion.d/ha-cfg" completion
    if [ "$(readlink "$ROOT/usr/bin/ha-cfg")" != /etc/ha-lizard/scripts/ha-cfg ]; then
        rm -f "$ROOT/usr/bin/.ha-cfg.new"
        ln -s /etc/ha-lizard/scripts/ha-cfg "$ROOT/usr/bin/.ha-cfg.new"
        mv -f "$ROOT/usr/bin/.ha-cfg.new" "$ROOT/usr/bin/ha-cfg" || fail 'cannot link ha-cfg'
    fi
    safe_modes "$etc"
}

check_syntax() {
    "$PYTHON" -c '
import sys
for path in sys.argv[1:]:
    stream = open(path, "rb")
    text = stream.read().decode("ascii").replace("\r\n", "\n")
    compile(str(text) + "\n", path, "exec")' "$FROM/ha_lizard.py" "$FROM/ha-cfg" ||
        fail "$PYTHON cannot read this version."
}

# What the manual lets the administrator edit in these two stays.
watch_interval() {
    interval=$(sed -n 's/^WATCH_INTERVAL=\([0-9]\{1,5\}\).*/\1/p' \
        "$ROOT/etc/init.d/ha-lizard-watchdog" 2>/dev/null | head -n 1)
    sed "s/^WATCH_INTERVAL=.*/WATCH_INTERVAL=${interval:-10}/" "$FROM/init.d/ha-lizard-watchdog"
}

watchdog_line() {
    if [ -z "$OLD" ] && [ -f "$ROOT/etc/init.d/ha-lizard" ] &&
            ! grep -q '^WATCHDOG=' "$ROOT/etc/init.d/ha-lizard"; then
        sed 's/^WATCHDOG=/#WATCHDOG=/' "$FROM/init.d/ha-lizard"
    else
        cat "$FROM/init.d/ha-lizard"
    fi
}

# Nobody but root may change what root runs, nor read passwords.
safe_modes() {
    find "$1" ! -type l \( -perm -0020 -o -perm -0002 \) -exec chmod go-w {} \;
    for each in "$1"/fence/*/*.sh; do
        [ -f "$each" ] && [ ! -x "$each" ] && chmod 755 "$each"
    done
    [ "$(stat -c %a "$1/ha-lizard.conf")" = 600 ] || chmod 600 "$1/ha-lizard.conf"
    [ "$(id -u)" -ne 0 ] || [ -n "$ROOT" ] ||
        find "$1" ! -user 0 -exec chown -h 0:0 {} \;
}

# So that no command has to do it again, and root alone writes what Python reads.
compile_module() {
    (cd "$ROOT/etc/ha-lizard" && "$PYTHON" -c '
import os, py_compile
path = "ha_lizard.py"
try:
    import importlib.util
    compiled = importlib.util.cache_from_source(path)
except (ImportError, AttributeError):
    compiled = path + "c"
if not os.path.exists(compiled) or os.stat(compiled).st_mtime < os.stat(path).st_mtime:
    py_compile.compile(path, doraise=True)' 2>/dev/null) ||
        warn 'ha_lizard.py could not be compiled: commands take a moment longer'
}

# -- what was there before ----------------------------------------------------

find_old() {
    if [ -e "$ROOT/etc/ha-lizard/ha-lizard.sh" ] || [ -e "$ROOT/etc/ha-lizard/ha-lizard.func" ]; then
        OLD=1
        ask "There is a HA-Lizard 1.x or 2.x. Stop it, keep its configuration and replace it?"
        if has rpm && rpm -q ha-lizard >/dev/null 2>&1; then
            warn "it was installed by rpm: take it from the list with rpm -e --justdb, not rpm -e"
        fi
    fi
}

# Two programs that fence, start and promote are worse than none.
stop_old() {
    say 'stopping the HA-Lizard that was there'
    if [ -x /etc/init.d/ha-lizard ]; then
        /etc/init.d/ha-lizard stop -w </dev/null >/dev/null 2>&1
    fi
    if [ -x /etc/init.d/ha-lizard-watchdog ]; then
        /etc/init.d/ha-lizard-watchdog stop </dev/null >/dev/null 2>&1
    fi
    for number in TERM KILL; do
        for pid in $(old_processes); do
            kill -$number "$pid" 2>/dev/null
        done
        patience=20
        while [ -n "$(old_processes)" ] && [ $patience -gt 0 ]; do
            sleep 0.2
            patience=$((patience - 1))
        done
    done
    [ -z "$(old_processes)" ] || fail 'the old HA-Lizard cannot be stopped.'
}

# A shell whose script, its first argument without a dash, is one of the old ones.
old_processes() {
    for each in /proc/[0-9]*; do
        tr '\0' '\n' 2>/dev/null <"$each/cmdline" | awk '
            NR == 1 && $0 !~ /(^|\/)(ba|da)?sh$/ { exit }
            NR > 1 && /^-/ { next }
            NR > 1 { print; exit }' | grep -Eqx "$OLD_SCRIPTS" || continue
        [ "${each#/proc/}" -eq $$ ] || echo "${each#/proc/}"
    done
}

# Everything but what is the administrator's goes to /etc/ha-lizard.old; the file
# that find_old looks for goes last, for this may be interrupted.
move_old() {
    etc=$ROOT/etc/ha-lizard aside=$ROOT/etc/ha-lizard.old
    folder 700 "$aside"
    for each in "$etc"/* "$etc"/.[!.]*; do
        case ${each##*/} in
            ha-lizard.conf|fence|'*'|'.[!.]*') continue ;;
            ha-lizard.sh|ha-lizard.func) continue ;;
        esac
        aside "$each" "$aside/${each##*/}"
    done
    # A .sh of a built-in method would never be run: the built-in one is.
    for method in ILO IRMC XVM POOL; do
        [ -d "$etc/fence/$method" ] || continue
        for each in "$etc/fence/$method"/*; do
            case $each in
                */"$method".hosts|*/'*') continue ;;
            esac
            folder 700 "$aside/fence"
            folder 700 "$aside/fence/$method"
            aside "$each" "$aside/fence/$method/${each##*/}"
        done
        rmdir "$etc/fence/$method" 2>/dev/null
    done
    for each in /etc/init.d/ha-lizard /etc/init.d/ha-lizard-watchdog /bin/ha-cfg \
            /usr/bin/ha-cfg /etc/bash_completion.d/ha-cfg; do
        [ -e "$ROOT$each" ] || [ -L "$ROOT$each" ] || continue
        folder 700 "$aside/of$(dirname "$each" | tr / -)"
        aside "$ROOT$each" "$aside/of$(dirname "$each" | tr / -)/${each##*/}"
    done
    rm -f "$ROOT/var/run/ha-lizard-watchdog.pid" "$ROOT/var/lock/subsys/ha-lizard" \
        "$ROOT/var/lock/subsys/ha-lizard-watchdog"
    for each in ha-lizard.func ha-lizard.sh; do
        [ -e "$etc/$each" ] && aside "$etc/$each" "$aside/$each"
    done
    say "its files are in $aside, but for ha-lizard.conf, the .hosts files and agents of your own"
}

aside() {               # what an earlier attempt moved there stays
    if [ -e "$2" ] && [ ! -d "$2" ]; then
        rm -rf "$1"
    elif [ -d "$2" ] && [ -d "$1" ]; then
        cp -a "$1/." "$2/" && rm -rf "$1"
    else
        mv -f "$1" "$2"
    fi || fail "cannot move $1 aside"
    case $1 in
        */fence/*.sh) say "$1 was moved to $2: the method is built in" ;;
    esac
}

# before_change: once, right before the first file is replaced.
before_change() {
    [ -z "$CHANGED" ] || return 0
    CHANGED=1
    [ -z "$ROOT" ] || return 0
    # The daemon tells the others that it promises nothing any more, then closes
    # the kernel's watchdog: a host is never reset by an upgrade.
    if [ -z "$OLD" ] && [ -x /etc/init.d/ha-lizard ] && [ -f /etc/ha-lizard/scripts/ha-lizard ]; then
        [ -x /etc/ha-lizard/scripts/ha-lizard ] || chmod 755 /etc/ha-lizard/scripts/ha-lizard
        if [ -x /etc/init.d/ha-lizard-watchdog ]; then
            /etc/init.d/ha-lizard-watchdog stop </dev/null >/dev/null 2>&1
        fi
        /etc/init.d/ha-lizard stop </dev/null >/dev/null 2>&1 ||
            warn 'the running service could not be stopped'
    fi
}

# -- services, firewall, pool -------------------------------------------------

runs_systemd() {
    [ -d /run/systemd/system ] && has systemctl
}

has_sysv() {
    has chkconfig || has update-rc.d || return 1
    runs_systemd || return 0
    for each in /usr/lib/systemd /lib/systemd; do
        [ -x $each/system-generators/systemd-sysv-generator ] && return
    done
    return 1
}

# unit NAME DESCRIPTION
unit() {
    cat <<END
[Unit]
Description=$2
After=network.target

[Service]
Type=forking
PIDFile=/var/run/$1.pid
Environment=HA_LIZARD_BY_SYSTEMD=1
ExecStart=/etc/init.d/$1 start
ExecStop=/etc/init.d/$1 stop
ExecReload=/etc/init.d/$1 reload
KillMode=mixed
TimeoutStartSec=180

[Install]
WantedBy=multi-user.target
END
}

enable_services() {
    units=/etc/systemd/system
    if has_sysv; then
        for each in ha-lizard ha-lizard-watchdog; do
            if has chkconfig; then
                chkconfig --list $each 2>/dev/null | grep -q '3:on' ||
                    { chkconfig --add $each && chkconfig $each on; } ||
                    warn "chkconfig could not add $each"
            else
                update-rc.d $each defaults >/dev/null || warn "update-rc.d could not add $each"
            fi
        done
        ! runs_systemd || systemctl daemon-reload
    elif runs_systemd; then
        put 644 $units/ha-lizard.service \
            unit ha-lizard 'HA-Lizard: high availability for the pool'
        put 644 $units/ha-lizard-watchdog.service \
            unit ha-lizard-watchdog 'HA-Lizard: starts ha-lizard again when it died or hangs'
        systemctl daemon-reload
        systemctl enable ha-lizard.service ha-lizard-watchdog.service >/dev/null 2>&1 ||
            warn 'systemctl could not enable the services'
    else
        warn 'no init system that we know: start /etc/ha-lizard/scripts/ha-lizard.mon & by yourself'
    fi
}

disabled_watchdog() {
    ! grep -q '^WATCHDOG=' /etc/init.d/ha-lizard
}

start_services() {
    [ -z "$NOSTART" ] || return 0
    /etc/init.d/ha-lizard start </dev/null || warn 'the service did not start: see the log'
    disabled_watchdog || /etc/init.d/ha-lizard-watchdog start </dev/null ||
        warn 'the watchdog did not start'
}

# The watchers of the hosts talk on UDP 694, open on every stock dom0 since 7.0.
port_is_closed() {
    has iptables || return 1
    rules=$(iptables -nL INPUT 2>/dev/null; iptables -nL RH-Firewall-1-INPUT 2>/dev/null)
    echo "$rules" | grep -Eq '^(REJECT|DROP)|policy DROP' || return 1
    ! echo "$rules" | grep -Eq '^ACCEPT +(udp|17) .*dpt:694'
}

open_port() {
    mark=/etc/ha-lizard/.port-opened
    if has firewall-cmd && firewall-cmd --state >/dev/null 2>&1; then
        firewall-cmd -q --query-port=694/udp && return
        put 600 $mark echo firewalld
        firewall-cmd -q --permanent --add-port=694/udp
        firewall-cmd -q --add-port=694/udp || warn 'UDP 694 could not be opened'
        return
    fi
    port_is_closed || return
    if [ -x /etc/xapi.d/plugins/firewall-port ]; then
        put 600 $mark echo plugin
        /etc/xapi.d/plugins/firewall-port open 694 udp >/dev/null ||
            warn 'UDP 694 could not be opened'
    else
        put 600 $mark echo iptables
        iptables -I INPUT -p udp --dport 694 -j ACCEPT || warn 'UDP 694 could not be opened'
        if [ -w /etc/sysconfig/iptables ]; then
            service iptables save >/dev/null 2>&1 ||
                warn 'the rule for UDP 694 is lost with the next boot'
        fi
    fi
    say 'UDP 694 was opened: the watchers of the hosts talk there'
}

# A new pool gets HA switched off; what is there stays as it is.
insert_parameters() {
    if has xe && /etc/ha-lizard/scripts/ha-cfg insert </dev/null; then
        POOL=1
    else
        warn "the pool gives no answer: run ha-cfg insert when it does"
        POOL=''
    fi
}

next_steps() {
    say ''
    if [ -z "$CHANGED" ]; then
        say 'HA-Lizard was installed already; nothing has changed.'
    else
        say 'HA-Lizard is installed.'
    fi
    [ -z "$NOSTART" ] || say '  service ha-lizard start -w      start it: --nostart was given'
    say '  ./install.sh                    on every other host of the pool, too'
    say '  ha-cfg set FENCE_METHOD ...     how a dead host is proved off; ha-cfg get -l shows all'
    say '  ha-cfg check                    what would fail in the bad night'
    say '  ha-cfg ha-enable                switch HA on, when every host has it'
    [ -n "$POOL" ] || say '  ha-cfg insert                   first: the pool did not answer'
}

# -- all of it ----------------------------------------------------------------

while [ $# -gt 0 ]; do
    case $1 in
        --nostart) NOSTART=1 ;;
        --yes|-y) YES=1 ;;
        --prefix)
            [ $# -gt 1 ] || { usage >&2; exit 2; }
            ROOT=$2
            shift ;;
        --prefix=*) ROOT=${1#--prefix=} ;;
        -h|--help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
case $ROOT in
    ''|/) ROOT='' ;;
    /*) ROOT=${ROOT%/} ;;
    *) ROOT=$(pwd)/${ROOT%/} ;;
esac

check_source
find_python
[ -n "$ROOT" ] || check_host
check_disk
if [ -n "$ROOT" ]; then
    install_files
    compile_module
    say "the files are below $ROOT"
    exit 0
fi
find_old
if [ -n "$OLD" ]; then
    stop_old
    move_old
fi
install_files
compile_module
enable_services
open_port
insert_parameters
start_services
next_steps
