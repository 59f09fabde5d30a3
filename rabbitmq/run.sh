#!/bin/sh
# Runs a private RabbitMQ node, with its own epmd, in the foreground; SIGTERM stops both.
# Environment: BIND_HOST, RABBITMQ_PORT, RABBITMQ_MANAGEMENT_PORT, RABBITMQ_DIST_PORT, RABBITMQ_EPMD_PORT,
# RABBITMQ_DATA_DIR, and RABBITMQ_BIN: the path of rabbitmq-server.
set -eu

room=$(cd "$(dirname "$0")" && pwd)
data=$RABBITMQ_DATA_DIR
server=$RABBITMQ_BIN
mkdir -p "$data"

# The Erlang cookie is made in HOME at the first start; one that others can read is refused.
export HOME="$data" ERL_CRASH_DUMP="$data/erl_crash.dump"
[ ! -e "$HOME/.erlang.cookie" ] || chmod 400 "$HOME/.erlang.cookie"
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$RABBITMQ_EPMD_PORT"

export RABBITMQ_NODENAME=throughline@localhost
export RABBITMQ_NODE_IP_ADDRESS="$BIND_HOST" RABBITMQ_NODE_PORT="$RABBITMQ_PORT"
export RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" RABBITMQ_LOGS=-
export RABBITMQ_CONFIG_FILE="$room/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$room/enabled_plugins"
# The machine's own configuration, in /etc/rabbitmq, is another node's.
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILES="$data/conf.d" RABBITMQ_ADVANCED_CONFIG_FILE="$data/advanced.config"

# One scheduler that sleeps when idle, and room for 65536 Erlang processes instead of a million (13 MB less).
# epmd as the virtual machine would start it is a daemon that outlives the node.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +P 65536 -start_epmd false \
 -kernel inet_dist_use_interface {127,0,0,1} \
 -rabbitmq_management tcp_config [{ip,\"$BIND_HOST\"},{port,$RABBITMQ_MANAGEMENT_PORT}]"

# rabbitmq-server becomes the virtual machine instead of staying before it.
export RUNNING_UNDER_SYSTEMD=true

# SIGTERM alone would be lost on a node that has just begun to boot, and on one that runs it spends five
# seconds on a deadlock: the management statistics, when they are stopped, ask the process that waits for
# them to stop. So the node is let through its boot, the statistics are taken out, and then it stops.
stop() {
	trap '' TERM
	while kill -0 "$node" 2>/dev/null; do
		"$(dirname "$server")/rabbitmqctl" --node "$RABBITMQ_NODENAME" --quiet eval \
			'rabbit:await_startup(), gen_event:delete_handler(rabbit_event, rabbit_mgmt_db_handler, stop), init:stop().' && return
		sleep 0.2
	done
}

epmd &
epmd=$!
"$server" &
node=$!
trap stop TERM

status=0
while kill -0 "$node" 2>/dev/null; do # a trapped signal ends a wait early
	wait "$node" && status=0 || status=$?
done
kill "$epmd"
wait "$epmd" || true
exit "$status"
