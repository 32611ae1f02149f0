#!/usr/bin/env bash
# A Flink session cluster with two task managers on this machine.
#
#   cluster.sh start FOLDER   starts it. The new folder FOLDER gets the settings, logs and process
#                             ids, the REST address in `master`, and the path of Beam's job server
#                             in `jar`
#   cluster.sh stop FOLDER    stops it
#   cluster.sh fetch          only downloads Flink and the job server
#
# Config for this cluster:
#
#   beam:
#     profile: flink
#     master: 127.0.0.1:…
#     options: {flink_version: "1.19", flink_job_server_jar: …}
#
# It needs Java 17 and Maven, which downloads both once to ~/.cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/unetfx/flink-$(sha256sum <"$here/pom.xml" | cut -c1-8)

fetch() {
  [ -d "$home" ] && return
  mkdir -p "$(dirname "$home")"
  work=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib"
  # Beam starts a job server with `java -jar`, so one jar lists the others in its manifest. There, a line
  # that starts with a blank continues the previous one.
  (cd "$work" && "${PYTHON:-python3}" -c '
import glob, zipfile
driver = "org.apache.beam.runners.flink.FlinkJobServerDriver"
jars = " \n ".join(sorted(glob.glob("lib/*.jar")))
manifest = f"Manifest-Version: 1.0\nMain-Class: {driver}\nClass-Path: {jars}\n"
zipfile.ZipFile("job-server.jar", "w").writestr("META-INF/MANIFEST.MF", manifest)
')
  mv "$work" "$home"
}

# Flink's scripts read these from a settings file that the Maven packages do not include.
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
  java "-Xmx$heap" "${modules[@]}" -cp "$home/lib/*" "$@" >"$folder/$name.log" 2>&1 &
  echo $! >"$folder/$name.pid"
}

start() {
  fetch
  mkdir "$1"
  folder=$(cd "$1" && pwd)
  read -r rest rpc < <("${PYTHON:-python3}" -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))')
  # A lost task manager is noticed after 10 s instead of 50 s, and the other one repeats its work.
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
classloader.resolve-order: parent-first
taskmanager.network.sort-shuffle.min-buffers: 32
io.tmp.dirs: $folder
taskmanager.host: 127.0.0.1
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 1
taskmanager.memory.task.heap.size: 512mb
taskmanager.memory.task.off-heap.size: 64mb
taskmanager.memory.framework.heap.size: 128mb
taskmanager.memory.framework.off-heap.size: 64mb
taskmanager.memory.managed.size: 128mb
taskmanager.memory.network.min: 256mb
taskmanager.memory.network.max: 256mb
taskmanager.memory.jvm-metaspace.size: 256mb
taskmanager.memory.jvm-overhead.min: 64mb
taskmanager.memory.jvm-overhead.max: 64mb
END
  run "$folder" jobmanager 512m org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint \
    --configDir "$folder"
  for number in 1 2; do
    run "$folder" taskmanager$number 1g org.apache.flink.runtime.taskexecutor.TaskManagerRunner \
      --configDir "$folder" -D taskmanager.resource-id=taskmanager$number
  done
  for _ in $(seq 120); do
    if curl -sf "http://127.0.0.1:$rest/overview" | grep -q '"taskmanagers":2'; then
      echo "$home/job-server.jar" >"$folder/jar"
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
