#!/usr/bin/env bash
# A Flink session cluster with two task managers on this machine.
#
#   flink.sh start FOLDER   starts it. The new folder FOLDER gets the settings, logs and process ids, the
#                           REST address in `master`, and the path of Beam's job server in `jar`
#   flink.sh stop FOLDER    stops it
#   flink.sh fetch          only downloads Flink and the job server
#
# Config for this cluster:
#
#   beam:
#     profile: flink
#     master: 127.0.0.1:…
#     options: {flink_version: "1.19", flink_job_server_jar: …}
#
# It needs Java 17 and Maven, which downloads both once to ~/.cache.
name=flink
driver=org.apache.beam.runners.flink.FlinkJobServerDriver
# Flink's scripts read these from a settings file that the Maven packages do not include.
opened=(lang net io nio lang.reflect text time util util.concurrent util.concurrent.atomic
  util.concurrent.locks)
exported=(java.base/sun.net.util java.rmi/sun.rmi.registry java.security.jgss/sun.security.krb5
  jdk.compiler/com.sun.tools.javac.{api,file,parser,tree,util})
modules=(--add-opens=java.base/sun.nio.ch=ALL-UNNAMED)
for package in "${opened[@]}"; do modules+=("--add-opens=java.base/java.$package=ALL-UNNAMED"); done
for package in "${exported[@]}"; do modules+=("--add-exports=$package=ALL-UNNAMED"); done
source "$(dirname "$0")/cluster.sh"

start() {
  new_folder "$1"
  read -r rest rpc < <(free_ports 2)
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
  run jobmanager 512m org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint \
    --configDir "$folder"
  for number in 1 2; do
    run taskmanager$number 1g org.apache.flink.runtime.taskexecutor.TaskManagerRunner \
      --configDir "$folder" -D taskmanager.resource-id=taskmanager$number
  done
  wait_for "http://127.0.0.1:$rest/overview" '"taskmanagers":2'
  echo "127.0.0.1:$rest" >"$folder/master"
}

"$@"
