#!/bin/sh
# Runs a private RabbitMQ node, and an epmd, in the foreground; SIGTERM stops both.
# Environment: BIND_HOST, RABBITMQ_PORT, RABBITMQ_MANAGEMENT_PORT, RABBITMQ_DIST_PORT, RABBITMQ_EPMD_PORT,
# RABBITMQ_DATA_DIR, RABBITMQ_BIN: the path of rabbitmq-server, the passwords of definitions.sh, and RABBITMQ_NODE:
# 1, 2 or 3 of a broker of three.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=$RABBITMQ_DATA_DIR
server=$RABBITMQ_BIN
name=throughline${RABBITMQ_NODE:+-$RABBITMQ_NODE}
conf=$data/conf.d/$name
mkdir -p "$conf"
cd "$data" # where Mnesia leaves its dump when it crashes

# As RabbitMQ itself has it for guest: they log in from this machine alone, as their passwords may be the
# known ones.
(
	umask 077
	"$here/definitions.sh" >"$data/$name.json" # not into $conf, all of whose files are read as configuration
	echo "load_definitions = $data/$name.json" >"$conf/definitions.conf"
	for user in throughline login-api audit-mq monitoring; do
		echo "loopback_users.$user = true" >>"$conf/definitions.conf"
	done
)
case $name in *-[23]) cp "$here/join.conf" "$conf" ;; esac

export HOME="$data" ERL_CRASH_DUMP="$data/erl_crash.dump"
# Three nodes show each other the same Erlang cookie, and start at the same time: the first makes it.
# One that others can read is refused.
cookie=$HOME/.erlang.cookie
if [ ! -e "$cookie" ]; then
	(umask 077 && tr -dc A-Z </dev/urandom | head -c 20 >"$cookie.$$")
	ln "$cookie.$$" "$cookie" 2>/dev/null || true
	rm "$cookie.$$"
fi
chmod 400 "$cookie"

export RABBITMQ_NODENAME=$name@localhost
# The machine's own configuration, in /etc/rabbitmq, is another node's.
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILES="$conf/*.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$data/advanced.config"
export RABBITMQ_NODE_IP_ADDRESS="$BIND_HOST" RABBITMQ_NODE_PORT="$RABBITMQ_PORT"
export RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" RABBITMQ_LOGS=-
export RABBITMQ_CONFIG_FILE="$here/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$here/enabled_plugins"

# epmd as the virtual machine would start it is a daemon that outlives the node.
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$RABBITMQ_EPMD_PORT" ERL_FLAGS="-start_epmd false"

# One scheduler that sleeps when idle, and room for 65536 Erlang processes instead of a million (13 MB less).
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +P 65536 -kernel inet_dist_use_interface {127,0,0,1} \
 -rabbitmq_management tcp_config [{ip,\"$BIND_HOST\"},{port,$RABBITMQ_MANAGEMENT_PORT}]"

# rabbitmq-server becomes the virtual machine instead of staying before it.
export RUNNING_UNDER_SYSTEMD=true

# Three nodes have one epmd. When it ends with the node that had it, another one takes over, and Erlang
# registers the nodes that run within two seconds.
keep_epmd() {
	trap 'kill "$epmd" 2>/dev/null; exit' TERM
	while :; do
		epmd 2>/dev/null &
		epmd=$!
		wait "$epmd" || true
		sleep 1
	done
}

# SIGTERM alone would be lost on a node that has just begun to boot, and on one that runs it spends five
# seconds on a deadlock: the management statistics, when they are stopped, ask the process that waits for
# them to stop. So the node is let through its boot, the statistics are taken out, and then it stops. One
# that is paused, as it does not see the majority of three, is not waited for.
stop() {
	trap '' TERM
	while kill -0 "$node" 2>/dev/null; do
		"$(dirname "$server")/rabbitmqctl" --node "$RABBITMQ_NODENAME" --quiet eval \
			'whereis(rabbit_outside_app_process) =/= undefined orelse
				{rabbit:await_startup(), gen_event:delete_handler(rabbit_event, rabbit_mgmt_db_handler, stop)}, init:stop().' && return
		sleep 0.2
	done
}

# The first node makes the virtual host, from its definitions, after it has begun to take others in: one that
# joins meanwhile has it in its tables and never starts it. So who comes for the first time waits.
case $name in
*-[23])
	[ -d "$RABBITMQ_MNESIA_BASE/$RABBITMQ_NODENAME" ] ||
		until "$(dirname "$server")/rabbitmqctl" --node throughline-1@localhost --quiet await_startup >/dev/null 2>&1; do sleep 0.5; done
	;;
esac

keep_epmd &
keeper=$!
until epmd -names >/dev/null 2>&1; do sleep 0.1; done
"$server" &
node=$!
trap stop TERM

status=0
while kill -0 "$node" 2>/dev/null; do # a trapped signal ends a wait early
	wait "$node" && status=0 || status=$?
done
kill "$keeper"
wait "$keeper" || true
exit "$status"
