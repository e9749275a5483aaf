#!/bin/sh
# A fence agent to copy.  To make your own, called POWEROFF:
#
#   mkdir /etc/ha-lizard/fence/POWEROFF
#   cp /etc/ha-lizard/fence/CUSTOM/CUSTOM.sh /etc/ha-lizard/fence/POWEROFF/POWEROFF.sh
#   chmod 755 /etc/ha-lizard/fence/POWEROFF/POWEROFF.sh
#   ha-cfg set FENCE_METHOD POWEROFF
#
# on every host, then fill in device_of() and power().  It is called with
#
#   $1  the uuid of the host to be fenced
#   $2  stop, start or reset: do it, exit 0 when done, 1 when not.
#       FENCE_ACTION=reset comes as stop and, when the pool is whole again, start.
#       status: exit 0 when the power is on, 2 when it is OFF, 1 when unknown
#
# and finds FENCE_IPADDRESS, FENCE_USER and FENCE_PASSWD in its environment.
#
# `status` is what makes a fence a proof: after `stop` it is asked until it says
# off twice, 3 seconds apart.  Exit 2 only if the device itself said off just
# now: not because it took the command, not because it does not answer.  A wrong
# 2 starts virtual machines twice and destroys their disks.  An agent without
# `status` works, but proves nothing: see FENCE_TRUST_AGENT.
#
# An agent in another language, or a wrapper of one, is taken to know `status`
# if its .sh holds this comment, from the first column on:
#   # answers: status
#
# All of it must end within 60 seconds; one call of `status` within 20.

# Print the outlet, or the address of the device, of the host with uuid $1.
device_of() {
    case "$1" in
        # 2f4a4020-fe8c-4686-a65d-501a19a06716) echo outlet-1 ;;
        # 33e68e2c-5b7b-4d5e-ae9c-7baef5b1566b) echo outlet-2 ;;
        *) return 1 ;;
    esac
}

# Do $2 (on, off or state) with device $1.  `state` prints on or off.
# With a device that speaks IPMI it might be, the password not in any argument:
#   off)   IPMI_PASSWORD=$FENCE_PASSWD ipmitool -I lanplus -C 3 -H "$1" \
#              -U "$FENCE_USER" -L OPERATOR -E chassis power off >&2 ;;
power() {
    echo "CUSTOM.sh is only a sample: it cannot switch $1 $2" >&2
    return 1
}

device=$(device_of "$1") || {
    echo "no device is known for host $1" >&2
    exit 1
}

case "$2" in
    stop)  power "$device" off || exit 1 ;;
    start) power "$device" on || exit 1 ;;
    reset) power "$device" off && power "$device" on || exit 1 ;;
    status)
        case "$(power "$device" state)" in
            on) exit 0 ;;
            off) exit 2 ;;
            *) exit 1 ;;
        esac ;;
    *)
        echo "no such action: $2" >&2
        exit 1 ;;
esac
