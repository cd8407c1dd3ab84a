#!/bin/sh
# Lets FluentPro's processes into OpenBao with the secret ids of the deployment, and writes the secrets that
# only the deployment knows. `fluentpro vault bootstrap` has made the roles. It may run again at any time: a
# secret that is there is left alone.
set -eu

secrets=/run/secrets
BAO_TOKEN=$(cat "$secrets/openbao_admin_token")
export BAO_TOKEN
bao token renew >/dev/null

# given FILE: its text, without a newline at its end.
given() { printf %s "$(cat "$secrets/$1")"; }

# first PATH FILE: the password of a document that was never written.
first() {
    path=fluentpro/$ENV_FOR_DYNACONF/$1
    if bao kv metadata get -mount=kv "$path" >/dev/null 2>&1; then
        echo "unchanged  secret kv/$path"
    else
        given "$2" | bao kv put -mount=kv -cas=0 "$path" password=- >/dev/null
        echo "written    secret kv/$path"
    fi
}

# enrol PROCESS FILE: its role id is the role's name, its secret id the deployment's.
enrol() {
    name=fluentpro-$ENV_FOR_DYNACONF-$1
    role=auth/approle/role/$name
    bao write "$role/role-id" "role_id=$name" >/dev/null
    known=$(given "$2" | bao write -format=json "$role/secret-id/lookup" secret_id=-)
    if [ -n "$known" ]; then
        echo "unchanged  $name"
    else
        given "$2" | bao write "$role/custom-secret-id" secret_id=- >/dev/null
        echo "enrolled   $name"
    fi
}

first redis valkey_password
first email email_password
enrol web vault_secret_id
enrol operator vault_secret_id_operator
