#!/bin/bash
# Sets the password of each role to that of its file. It changes nothing at the first start. To rotate passwords:
#   kubectl --namespace shopfloor exec postgres-0 -- bash /docker-entrypoint-initdb.d/set-roles.sh
# deploy/compose/postgres/20-passwords.sh does the same: kustomize takes no file from outside its own folder.
set -euo pipefail

for file in /run/passwords/*; do
  psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 \
    --set role="$(basename "$file")" --set password="$(cat "$file")" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
