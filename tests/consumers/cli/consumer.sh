#!/usr/bin/env bash
# Runs a command of the AWS CLI ($1) again and again, with the credentials that it finds by itself.
# Prints a line of JSON for each run.
set -euo pipefail
aws=$1
named=
while :; do
	if said=$("$aws" sts get-caller-identity 2>&1); then
		echo '{"ok": true}'
	else
		echo "$said" >&2
		code=$(sed -n 's/.*An error occurred (\([A-Za-z]*\)).*/\1/p' <<<"$said")
		echo "{\"ok\": false, \"code\": \"${code:-Unknown}\"}"
	fi
	if [[ -z $named ]]; then
		named=$("$aws" --version)
		echo "{\"sdk\": \"$(cut -d' ' -f1 <<<"${named#aws-cli/}")\"}"
	fi
	sleep "$((CALL_EVERY_MS / 1000)).$(printf %03d $((CALL_EVERY_MS % 1000)))"
done
