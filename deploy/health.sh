#!/usr/bin/env bash
# Whether the program in this container is ready, for the health check of the image.
#
# With DELTAWAVE_HTTP (ADDR:PORT) its /readyz must answer 200. Without it there is nobody to ask, and a program that
# has ended has ended its container: then this succeeds.
set -euo pipefail

address=${DELTAWAVE_HTTP:-}
[[ -n $address ]] || exit 0
port=${address##*:}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[[ $status == 200 ]]
