#!/bin/bash
# A database and two roles for each service, made when the data volume is new: <service>_owner changes tables,
# <service> only rows, and neither can connect to any other database. deploy/k8s/components/postgres-single/roles.sh does
# the same: kustomize takes no file from outside its own folder.
set -euo pipefail

close_shared_databases() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 <<'SQL'
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL
}

make_service() { # service, its password, its owner's password
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set service="$1" --set password="$2" \
    --set owner="$1_owner" --set owner_password="$3" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"owner";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"service";
\connect :"service"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"service";
SQL
}

export PGUSER=${POSTGRES_USER:-postgres} PGDATABASE=${POSTGRES_DB:-postgres}
close_shared_databases
# A file per role, with its password. The container `passwords` writes them.
for file in /run/passwords/*_owner; do
  service=$(basename "$file" _owner)
  make_service "$service" "$(cat "/run/passwords/$service")" "$(cat "$file")"
done
