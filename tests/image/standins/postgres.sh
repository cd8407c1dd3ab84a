#!/bin/sh
# The part of the official image's entry point that a deployment relies on.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --no-instructions >/dev/null
    echo "host all all all scram-sha-256" >"$PGDATA/pg_hba.conf"
    echo "local all all trust" >>"$PGDATA/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA" --wait --silent --options="-c listen_addresses= -c unix_socket_directories=$PGHOST" start
    psql --quiet --no-psqlrc --username "$POSTGRES_USER" --dbname postgres --command "CREATE DATABASE $POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) "$file" ;; # the official one would read one that can't be executed into itself
            *.sql) psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file "$file" ;;
        esac
    done
    pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
fi
exec "$@" -c "listen_addresses=*" -c "unix_socket_directories=$PGHOST"
