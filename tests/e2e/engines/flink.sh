#!/usr/bin/env bash
# A Flink session cluster with two task managers on this machine.
#
#   flink.sh start FOLDER   starts it; FOLDER, which is to be new, gets its settings, logs and process
#                           ids, and in `master` its REST address
#   flink.sh stop FOLDER    stops it
#
# Needs Java 17. Flink itself is Apache's package on PyPI; it is fetched once and kept in ~/.cache.
set -euo pipefail
version=2.2.0 # the newest that Beam 2.77 has a job server for
home=${XDG_CACHE_HOME:-$HOME/.cache}/unetfx/flink-$version

fetch() {
  [ -d "$home" ] && return
  mkdir -p "$(dirname "$home")"
  work=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  "${PYTHON:-python3}" -m pip download --quiet --no-deps --no-build-isolation --no-binary :all: \
    --dest "$work" "apache-flink-libraries==$version"
  tar -xzf "$work"/*.tar.gz -C "$work" --strip-components=2 --wildcards '*/deps/lib'
  mv "$work/lib" "$home"
}

# Flink's own bin/ takes these from a settings file that the package has not.
opened=(lang net io nio lang.reflect text time util util.concurrent util.concurrent.atomic
  util.concurrent.locks)
exported=(java.base/sun.net.util java.rmi/sun.rmi.registry java.security.jgss/sun.security.krb5
  jdk.compiler/com.sun.tools.javac.{api,file,parser,tree,util})
modules=(--add-opens=java.base/sun.nio.ch=ALL-UNNAMED)
for package in "${opened[@]}"; do modules+=("--add-opens=java.base/java.$package=ALL-UNNAMED"); done
for package in "${exported[@]}"; do modules+=("--add-exports=$package=ALL-UNNAMED"); done

run() { # folder name heap class argument...
  local folder=$1 name=$2 heap=$3
  shift 3
  java "-Xmx$heap" "${modules[@]}" \
    -Dlog4j.configurationFile="$folder/log4j.properties" -cp "$home/*" "$@" \
    >"$folder/$name.log" 2>&1 &
  echo $! >"$folder/$name.pid"
}

start() {
  fetch
  mkdir "$1"
  folder=$(cd "$1" && pwd)
  read -r rest rpc < <("${PYTHON:-python3}" -c '
import socket
found = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in found))')
  cat >"$folder/log4j.properties" <<'END'
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = Out
appender.out.name = Out
appender.out.type = CONSOLE
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss} %-5p %c{1} %m%n
END
  # A lost task manager is noticed in ten seconds, not fifty, and what it did is done again by the other.
  cat >"$folder/config.yaml" <<END
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: $rpc
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: $rest
heartbeat.interval: 2000
heartbeat.timeout: 10000
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 10
restart-strategy.fixed-delay.delay: 1s
parallelism.default: 2
io.tmp.dirs: $folder
taskmanager.host: 127.0.0.1
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 1
taskmanager.memory.task.heap.size: 512mb
taskmanager.memory.task.off-heap.size: 64mb
taskmanager.memory.framework.heap.size: 128mb
taskmanager.memory.framework.off-heap.size: 64mb
taskmanager.memory.managed.size: 128mb
taskmanager.memory.network.min: 64mb
taskmanager.memory.network.max: 64mb
taskmanager.memory.jvm-metaspace.size: 256mb
taskmanager.memory.jvm-overhead.min: 64mb
taskmanager.memory.jvm-overhead.max: 64mb
END
  run "$folder" jobmanager 512m org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint \
    --configDir "$folder"
  for number in 1 2; do
    run "$folder" taskmanager$number 768m org.apache.flink.runtime.taskexecutor.TaskManagerRunner \
      --configDir "$folder" -D taskmanager.resource-id=taskmanager$number
  done
  for _ in $(seq 120); do
    if curl -sf "http://127.0.0.1:$rest/overview" | grep -q '"taskmanagers":2'; then
      echo "127.0.0.1:$rest" >"$folder/master"
      exit 0
    fi
    sleep 0.5
  done
  tail -n 5 "$folder"/*.log >&2
  stop "$folder"
  exit 1
}

stop() {
  for file in "$1"/*.pid; do kill "$(cat "$file")" 2>/dev/null || true; done
}

"$@"
