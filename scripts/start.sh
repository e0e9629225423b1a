#!/bin/sh
# Starts the executable this file is installed as, with the Python of the environment it lies in
# (PREFIX/bin), or with the one on the PATH where the prefix has none (a colcon workspace).
here=$(dirname -- "$0")
name=$(basename -- "$0")
python=$here/../../bin/python3
[ -x "$python" ] || python=python3
case $name in
  emostress) module=emostress_ros ;;
  *) module=emostress_ros.nodes.$name ;;
esac
exec "$python" -m "$module" "$@"
