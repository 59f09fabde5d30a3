#!/bin/sh
# Installs Debian's rabbitmq-server package and keeps the machine as it was otherwise:
# the package would start a system-wide broker and epmd, now and at every boot,
# on the very ports that the private node wants. Needs root.
set -eu

units="rabbitmq-server.service epmd.service epmd.socket"
policy=/usr/sbin/policy-rc.d
saved=$policy.throughline

restore_policy() {
	if [ -e "$saved" ]; then mv -f "$saved" "$policy"; else rm -f "$policy"; fi
}

unit_exists() { [ -e "/lib/systemd/system/$1" ]; }

# What is there already is someone's choice and stays enabled.
fresh=""
for unit in $units; do unit_exists "$unit" || fresh="$fresh $unit"; done

# A run that was killed has left its own.
if grep -q '^# by throughline$' "$policy" 2>/dev/null; then restore_policy; fi

# policy-rc.d is what Debian's maintainer scripts ask before they start a service.
if [ -e "$policy" ] && [ ! -e "$saved" ]; then mv "$policy" "$saved"; fi
trap restore_policy EXIT
trap 'exit 1' HUP INT TERM
cat >"$policy" <<POLICY
#!/bin/sh
# by throughline
case "\$1" in rabbitmq-server* | epmd*) exit 101 ;; esac
[ ! -x $saved ] || exec $saved "\$@"
POLICY
chmod 755 "$policy"

install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 rabbitmq-server
}
# The package lists of a fresh container image are empty or stale.
install || { apt-get update && install; }

for unit in $fresh; do
	if unit_exists "$unit" && command -v systemctl >/dev/null; then systemctl disable "$unit" || true; fi
done
case "$fresh" in *rabbitmq-server.service*) update-rc.d rabbitmq-server disable ;; esac
