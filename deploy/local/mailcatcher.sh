#!/bin/sh
# Takes every mail on port 1025 and keeps it as a file in /mail/inbox/new, which port 8025 shows.
set -eu
python3 -m aiosmtpd --nosetuid --listen 0.0.0.0:1025 --class aiosmtpd.handlers.Mailbox /mail/inbox &
smtp=$!
python3 -m http.server --directory /mail 8025 >/dev/null 2>&1 &
http=$!
# The first process of a container has no default for SIGTERM, so it passes it on.
trap 'kill "$smtp" "$http"' TERM INT
wait "$smtp" || true
kill "$http" 2>/dev/null || true
