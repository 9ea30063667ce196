#!/bin/sh
# Makes a backup of the whole site each night at BACKUP_AT (UTC, default 02:30), and keeps the newest BACKUPS_KEPT
# (default 14).
#   sh docker/nightly.sh FOLDER          each night, without end: the service backup of compose.yaml
#   sh docker/nightly.sh FOLDER now      once, now: docker/systemd/deepsegm-backup.service
set -eu
folder=$1
python=python
[ -x .venv/bin/python ] && python=.venv/bin/python
umask 077

make_backup() {
  name=$(date -u +deepsegm-%Y-%m-%dT%H%M%S.zip)
  # A backup has its final name only when it is complete. Older backups are removed only then.
  if "$python" manage.py backup "$folder/.$name.part" && mv "$folder/.$name.part" "$folder/$name"; then
    ls -1r "$folder" | grep '^deepsegm-.*\.zip$' | tail -n +$((${BACKUPS_KEPT:-14} + 1)) \
      | while read -r old; do rm -- "$folder/$old"; done
  else
    rm -f -- "$folder/.$name.part"
    echo "The backup failed; the older ones in $folder stay." >&2
    return 1
  fi
}

if [ "${2:-}" = now ]; then
  make_backup
  exit
fi
while true; do
  now=$(date -u +%s)
  next=$(date -u -d "today ${BACKUP_AT:-02:30}" +%s)
  [ "$next" -gt "$now" ] || next=$((next + 86400))
  sleep $((next - now))
  make_backup || true
done
