#!/bin/bash
# Run once, on an empty volume: for each service a database, its owner (may change tables) and its runtime role (may
# change rows). A role can connect to its own service's database and to no other. deploy/compose/postgres/10-services.sh
# says why the statements stand there, too.
set -euo pipefail
sql() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname postgres "$@"; }

sql <<'SQL'
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL

for service in /run/passwords/*_owner; do
    service=$(basename "$service" _owner)
    # \connect goes on in the new database; :"x" and :'x' are quoted by psql.
    sql --set name="$service" --set owner="${service}_owner" \
        --set password="$(cat "/run/passwords/$service")" \
        --set owner_password="$(cat "/run/passwords/${service}_owner")" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"owner";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO :"name";
\connect :"name"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"name";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"name";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"name";
SQL
done
