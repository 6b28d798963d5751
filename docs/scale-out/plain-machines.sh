#!/usr/bin/env bash
# A campaign on a few plain machines that are reached by ssh: a head that makes no clips, and the
# nodes that do.
#
#   ./plain-machines.sh HEAD NODE [NODE ...] -- run june.yaml --yes
#
# HEAD is a name or an address by which this machine and each node reach it: no user@HEAD. Who logs
# in where stands in ~/.ssh/config.
# The project's folder is ONE folder that all machines have under the same path (NFS or the like),
# not a copy on each; Callsheet is in its .venv (pip install 'callsheet[postgres,ray]').
# Each machine has a password for the ledger in ~/.pgpass (0600), and its keys in ~/.callsheet-env
# (0600; lines such as RUNWARE_API_KEY=...): a shell that ssh starts reads no ~/.profile. They count
# as they were when Ray was started.
# At the end `ray stop` ends every Ray of your user on the machines on which this script started one.
#
# Tried: this script with programs in the place of ssh and Ray; the commands `ray start` and
# `callsheet` as they stand here, with a head and two nodes on one machine. Not tried: ssh, machines
# of their own, a shared folder between them.
set -euo pipefail

project=${CALLSHEET_PROJECT:-$PWD}
ledger=${CALLSHEET_LEDGER:?set it to postgresql://USER@HOST/DATABASE}
# The same on each machine: whoever has it may run anything on the cluster.
token=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}

head=${1:?say the head first, then the nodes}
case $head in *@*) echo "$head: leave the user out, and name it in ~/.ssh/config" >&2; exit 3 ;; esac
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
set -e
if [ -f ~/.callsheet-env ]; then set -a; . ~/.callsheet-env; set +a; fi
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$token
cd '$project'
. .venv/bin/activate
$*
SCRIPT
}

# Only where this script started Ray: on a head that is at work, another campaign's goes on.
started=()
stop() { for machine in "${started[@]}"; do on "$machine" "ray stop" || true; done; }
trap stop EXIT

on "$head" "ray start --head --num-cpus=0 --port=6379 --ray-client-server-port=10001 --include-dashboard=false --disable-usage-stats"
started=("$head")
for node in "${nodes[@]}"; do
    on "$node" "ray start --address=$head:6379"
    started=("$node" "${started[@]}")
done

cd "$project"
if [ -f ~/.callsheet-env ]; then set -a; . ~/.callsheet-env; set +a; fi
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$token
.venv/bin/callsheet "$@" --ledger "$ledger" --engine "ray://$head:10001"
