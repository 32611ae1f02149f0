#!/usr/bin/env bash
# A Spark cluster with two workers on this machine.
#
#   spark.sh start FOLDER   starts it. The new folder FOLDER gets the logs and process ids, the address of
#                           the cluster in `master`, the address of its page in `page`, and the path of
#                           Beam's job server in `jar`
#   spark.sh stop FOLDER    stops it
#   spark.sh fetch          only downloads Spark and the job server
#
# Config for this cluster:
#
#   beam:
#     profile: spark
#     master: spark://127.0.0.1:…
#     options: {spark_job_server_jar: …}
#
# It needs Java 17 and Maven, which downloads both once to ~/.cache.
name=spark
driver=org.apache.beam.runners.spark.SparkJobServerDriver
# Spark's scripts pass these, but the Maven packages do not include the scripts.
opened=(java.{io,lang,lang.invoke,lang.reflect,net,nio,util,util.concurrent,util.concurrent.atomic}
  jdk.internal.ref sun.nio.{ch,cs} sun.security.action sun.util.calendar)
modules=()
for package in "${opened[@]}"; do modules+=("--add-opens=java.base/$package=ALL-UNNAMED"); done
source "$(dirname "$0")/cluster.sh"

start() {
  new_folder "$1"
  read -r port page < <(free_ports 2)
  # The worker starts each executor with the jars of SPARK_HOME, which include Beam's.
  export SPARK_HOME=$home SPARK_SCALA_VERSION=2.12 SPARK_LOCAL_IP=127.0.0.1
  run master 512m org.apache.spark.deploy.master.Master --host 127.0.0.1 --port "$port" --webui-port "$page"
  for number in 1 2; do
    run worker$number 512m org.apache.spark.deploy.worker.Worker --host 127.0.0.1 --cores 1 --memory 1g \
      --webui-port 0 --work-dir "$folder/work$number" "spark://127.0.0.1:$port"
  done
  wait_for "http://127.0.0.1:$page/json/" '"aliveworkers" : 2'
  echo "spark://127.0.0.1:$port" >"$folder/master"
  echo "http://127.0.0.1:$page" >"$folder/page"
}

"$@"
