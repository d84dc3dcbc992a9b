#!/bin/bash
# One database for all services, made when the data volume is new: for each a schema and two roles, of which
# <service>_owner changes tables and <service> only rows. Neither can use another schema. The embedded stack does the same
# (tools/stack/src/shop_stack/module_databases.py).
set -euo pipefail

DATABASE=monolith

close_shared_databases() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set database="$DATABASE" <<'SQL'
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
CREATE DATABASE :"database";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
}

make_module() { # service, its password, its owner's password
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname "$DATABASE" --set database="$DATABASE" --set service="$1" \
    --set password="$2" --set owner="$1_owner" --set owner_password="$3" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"service" LOGIN PASSWORD :'password';
GRANT CONNECT ON DATABASE :"database" TO :"owner", :"service";
-- The statements and migrations of a service find its tables as in a database of its own.
ALTER ROLE :"owner" IN DATABASE :"database" SET search_path = :"service";
ALTER ROLE :"service" IN DATABASE :"database" SET search_path = :"service";
CREATE SCHEMA :"service" AUTHORIZATION :"owner";
GRANT USAGE ON SCHEMA :"service" TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service"
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service" GRANT USAGE, SELECT ON SEQUENCES TO :"service";
SQL
}

export PGUSER=${POSTGRES_USER:-postgres} PGDATABASE=${POSTGRES_DB:-postgres}
close_shared_databases
# A file per role, with its password. The container `passwords` writes them.
for file in /run/passwords/*_owner; do
  service=$(basename "$file" _owner)
  make_module "$service" "$(cat "/run/passwords/$service")" "$(cat "$file")"
done
