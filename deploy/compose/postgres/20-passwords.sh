#!/bin/bash
# Sets the password of each role to that of its file. It changes nothing at the first start. To rotate passwords:
#   docker compose exec postgres bash /docker-entrypoint-initdb.d/20-passwords.sh
# deploy/k8s/components/postgres-single/set-roles.sh does the same: kustomize takes no file from outside its own folder.
set -euo pipefail

for file in /run/passwords/*; do
  psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 \
    --set role="$(basename "$file")" --set password="$(cat "$file")" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
