# Functions of flink.sh and spark.sh, which run a cluster from the packages of Maven Central.
#
# A script sets `name`, the name of its pom; `driver`, the class of Beam's job server; and `modules`, the
# internals of Java that its programs use. It defines `start FOLDER`, and ends with `"$@"`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/unetfx/$name-$(cat "$here/$name.xml" "$here/cluster.sh" | sha256sum | cut -c1-8)

fetch() {
  [ -d "$home" ] && return
  mkdir -p "$(dirname "$home")"
  work=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mvn -q -B -f "$here/$name.xml" dependency:copy-dependencies -DoutputDirectory="$work/jars"
  # Beam starts a job server with `java -jar`, so one jar lists the others in its manifest. There, a line
  # that starts with a blank continues the previous one.
  (cd "$work" && "${PYTHON:-python3}" -c '
import glob, sys, zipfile
jars = " \n ".join(sorted(glob.glob("jars/*.jar")))
manifest = f"Manifest-Version: 1.0\nMain-Class: {sys.argv[1]}\nClass-Path: {jars}\n"
zipfile.ZipFile("job-server.jar", "w").writestr("META-INF/MANIFEST.MF", manifest)
' "$driver")
  mv "$work" "$home"
}

new_folder() { # path
  fetch
  mkdir "$1"
  folder=$(cd "$1" && pwd)
}

free_ports() { # number
  "${PYTHON:-python3}" -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in sockets))' "$1"
}

run() { # program heap class argument...
  local program=$1 heap=$2
  shift 2
  java "-Xmx$heap" "${modules[@]}" -cp "$home/jars/*" "$@" >"$folder/$program.log" 2>&1 &
  echo $! >"$folder/$program.pid"
}

wait_for() { # url text
  for _ in $(seq 120); do
    if curl -sf "$1" | grep -q "$2"; then
      echo "$home/job-server.jar" >"$folder/jar"
      return
    fi
    sleep 0.5
  done
  tail -n 5 "$folder"/*.log >&2
  stop "$folder"
  exit 1
}

stop() {
  for file in "$1"/*.pid; do kill "$(cat "$file")" 2>/dev/null || true; done
  # Beam starts a job server for each job, and stops it only when the Python program ends.
  [ ! -f "$1/master" ] || pkill -f "job-server\.jar .*$(sed 's|.*/||' "$1/master") " || true
}
