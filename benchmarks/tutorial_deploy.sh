#!/usr/bin/env bash
# The deployment that this project replaces, written for the comparison: two engines, nginx, and a script that switches between them.
# Usage: tutorial_deploy.sh FOLDER PYTHON NGINX BLUE_PORT GREEN_PORT ROUTER_PORT ENGINE_FLAG...
# Finds the inactive color, starts it, waits for its health, asks it one question, edits nginx's upstream and reloads, asks again through
# nginx (and goes back if that fails), then stops the old one. FOLDER holds nginx.conf, `active` and a pid file for each engine.
set -euo pipefail
folder=$1 python=$2 nginx=$3 blue_port=$4 green_port=$5 router_port=$6
shift 6
old="$(cat "$folder/active")"
if [ "$old" = blue ]; then new=green port=$green_port; else new=blue port=$blue_port; fi

question='{"model": "sorter", "messages": [{"role": "user", "content": "sort 52413"}], "max_tokens": 8}'
answers() { curl --silent --fail --max-time 10 --header 'content-type: application/json' --data "$question" "http://127.0.0.1:$1/v1/chat/completions" >/dev/null; }
healthy() { curl --silent --fail --max-time 2 "http://127.0.0.1:$port/health" >/dev/null; }
switch_to() {
  sed -i "s/server 127\.0\.0\.1:[0-9]*;/server 127.0.0.1:$1;/" "$folder/nginx.conf"
  "$nginx" -t -q -p "$folder/" -c nginx.conf -e error.log
  "$nginx" -s reload -p "$folder/" -c nginx.conf -e error.log
}

setsid "$python" -m simulator --host 127.0.0.1 --port "$port" --served-model-name sorter "$@" >>"$folder/$new.log" 2>&1 </dev/null &
echo $! >"$folder/$new.pid"
for _ in $(seq 120); do healthy && break; sleep 1; done
healthy
answers "$port"
switch_to "$port"
if ! answers "$router_port"; then
  if [ "$old" = blue ]; then switch_to "$blue_port"; else switch_to "$green_port"; fi
  kill "$(cat "$folder/$new.pid")"
  exit 1
fi
echo "$new" >"$folder/active"
if [ -f "$folder/$old.pid" ]; then kill "$(cat "$folder/$old.pid")"; rm "$folder/$old.pid"; fi
