#!/bin/sh
# Runs once, after database.sql, when PostgreSQL makes its data: the first password of the user as whom Vault
# makes users. `fluentpro vault bootstrap` has Vault change it to one that nobody knows.
set -eu

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'END'
\set password `cat /run/secrets/postgres_vault_password`
ALTER ROLE fluentpro_vault PASSWORD :'password';
END
