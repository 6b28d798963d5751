#!/usr/bin/env bash
# A campaign on a few plain machines that are reached by ssh: a head that makes no clips, and the
# nodes that do.
#
#   ./plain-machines.sh HEAD NODE [NODE ...] -- run june.yaml --yes
#
# Each machine has the project's folder under the same path, Callsheet in its .venv (pip install
# 'callsheet[postgres,ray]'), its own keys, and a password for the ledger in ~/.pgpass (0600).
#
# Tried: the commands `ray start` and `callsheet` as they stand here, with a head and two nodes on
# one machine. Not tried: ssh, machines of their own, a shared folder between them.
set -euo pipefail

project=${CALLSHEET_PROJECT:-$PWD}
ledger=${CALLSHEET_LEDGER:?set it to postgresql://USER@HOST/DATABASE}
# The same on each machine: whoever has it may run anything on the cluster.
token=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}

head=${1:?say the head first, then the nodes}
shift
nodes=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do nodes+=("$1"); shift; done
[ $# -gt 1 ] || { echo "say what to run after --" >&2; exit 3; }
shift

# What a machine does: told on standard input, so that the token is in no list of processes.
on() {
    local machine=$1
    shift
    ssh "$machine" bash -s <<SCRIPT
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$token
cd '$project' && . .venv/bin/activate && $*
SCRIPT
}

stop() { for machine in "${nodes[@]}" "$head"; do on "$machine" "ray stop" || true; done; }
trap stop EXIT

on "$head" "ray start --head --num-cpus=0 --port=6379 --ray-client-server-port=10001 --include-dashboard=false"
for node in "${nodes[@]}"; do
    on "$node" "ray start --address=$head:6379"
done

cd "$project"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$token
.venv/bin/callsheet "$@" --ledger "$ledger" --engine "ray://$head:10001"
