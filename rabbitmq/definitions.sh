#!/bin/sh
# Prints the definitions that the node loads at each start: a user for each program, with the rights that
# it needs and no more, and one for whoever works with the broker. None of them may change anything over
# the management API, which a web page can reach. Passwords come from the environment.
set -eu

owner=${RABBITMQ_OWNER_PASSWORD:-throughline}
login_api=${RABBITMQ_LOGIN_API_PASSWORD:-login-api}
audit_mq=${RABBITMQ_AUDIT_MQ_PASSWORD:-audit-mq}
monitoring=${RABBITMQ_MANAGEMENT_PASSWORD:-monitoring}

# They stand in JSON here and in addresses elsewhere.
case $owner$login_api$audit_mq$monitoring in
*[!A-Za-z0-9._~-]*)
	echo "one of RABBITMQ_OWNER_PASSWORD, RABBITMQ_LOGIN_API_PASSWORD, RABBITMQ_AUDIT_MQ_PASSWORD and RABBITMQ_MANAGEMENT_PASSWORD (not shown) has another character than letters, digits, . _ ~ and -: take it out" >&2
	exit 1
	;;
esac

# On Kubernetes, the overlay production wants passwords that not everybody knows.
if [ "${RABBITMQ_KNOWN_PASSWORDS:-allow}" = refuse ]; then
	for password in "$owner" "$login_api" "$audit_mq" "$monitoring"; do
		case $password in
		throughline | login-api | audit-mq | monitoring)
			echo "one of RABBITMQ_OWNER_PASSWORD, RABBITMQ_LOGIN_API_PASSWORD, RABBITMQ_AUDIT_MQ_PASSWORD and RABBITMQ_MANAGEMENT_PASSWORD is missing, or is the one that everybody knows: make one with openssl rand -hex 24" >&2
			exit 1
			;;
		esac
	done
fi

# guest, which a node has whose data are older than these users, has no password here, and so cannot log in.
# To declare a queue that dead-letters takes the right to read it and to write to the exchange after it. Who has
# no permission at all on a virtual host is shown none of its queues.
cat <<JSON
{
  "vhosts": [{"name": "/"}],
  "users": [
    {"name": "throughline", "password": "$owner", "tags": ""},
    {"name": "login-api", "password": "$login_api", "tags": ""},
    {"name": "audit-mq", "password": "$audit_mq", "tags": ""},
    {"name": "monitoring", "password": "$monitoring", "tags": "monitoring"},
    {"name": "guest", "password_hash": "", "tags": ""}
  ],
  "permissions": [
    {"vhost": "/", "user": "throughline", "configure": ".*", "write": ".*", "read": ".*"},
    {
      "vhost": "/", "user": "login-api",
      "configure": "^user[.]events\$",
      "write": "^user[.]events\$",
      "read": "^\$"
    },
    {
      "vhost": "/", "user": "audit-mq",
      "configure": "^user[.]events([.]audit([.]dead|[.]retry[.].+)?)?\$",
      "write": "^(user[.]events[.]audit|amq[.]default)\$",
      "read": "^user[.]events([.]audit([.]retry[.].+)?)?\$"
    },
    {"vhost": "/", "user": "monitoring", "configure": "^\$", "write": "^\$", "read": "^\$"}
  ]
}
JSON
