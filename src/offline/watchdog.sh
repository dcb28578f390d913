# Runs a service that cannot outlive its owner: sh -c "$(cat watchdog.sh)" watchdog SIGNAL SECONDS COMMAND...
#
# Standard input is a pipe whose other end only the owner holds. When the owner ends, however it ends, the read below
# meets the end of the pipe: the service gets SIGNAL and, if it still runs SECONDS later, SIGKILL.
# The service takes this shell's place and so its process id. That id is also the id of the group the background shell
# is in, so it cannot be given to a stranger while the background shell lives.
stop=$1
tenths=$(($2 * 10))
shift 2
exec 3<&0 </dev/null
{
    read -r _ <&3
    kill -s "$stop" $$
    while [ "$tenths" -gt 0 ] && kill -0 $$; do
        sleep 0.1
        tenths=$((tenths - 1))
    done
    kill -s KILL $$
} >/dev/null 2>&1 &
exec "$@" 3<&-
