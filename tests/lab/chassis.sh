#!/bin/sh
# What OpenIPMI's ipmi_sim runs to look at the power and to switch it:
#   chassis.sh STATE get power | set power 0|1
# Its mode is in STATE/mode, the truth in STATE/power.
D=$1 MODE=$(cat "$1/mode")
truth() { cat "$D/power"; }
case "$2 $3" in
    'get power')
        [ "$MODE" = late ] && sleep 15
        [ "$MODE" = garbage ] && { echo '? off'; exit 0; }
        if [ -f "$D/falls_at" ] && [ "$(date +%s)" -ge "$(cat "$D/falls_at")" ]; then
            echo Off >"$D/power"
            rm "$D/falls_at"
        fi
        if [ "$(truth)" = Off ] || [ "$MODE" = 'says off' ]; then
            echo power:0
        else
            echo power:1
        fi ;;
    'set power')
        case $MODE in
            refuses) exit 1 ;;
            lies|'says off') exit 0 ;;
            late) sleep 15 ;;
        esac
        if [ "$4" = 1 ]; then
            echo On >"$D/power"
        elif [ "$MODE" = slow ]; then
            echo $(($(date +%s) + 6)) >"$D/falls_at"
        else
            echo Off >"$D/power"
        fi ;;
esac
exit 0
