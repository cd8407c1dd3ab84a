# What an operator may do, in one environment: rotate its secrets, and let its processes in.
# {env} is filled in by `fluentpro vault bootstrap`.

# Write new versions, with check-and-set: a write says which version it replaces, and is refused if
# somebody else was faster. A document is written whole, so what stays as it is has to be read.
path "kv/data/fluentpro/{env}/*" {
  capabilities = ["create", "update", "read"]
}
path "kv/metadata/fluentpro/{env}/*" {
  capabilities = ["read", "list"]
}
path "kv/metadata/fluentpro/{env}" {
  capabilities = ["list"]
}

# Take a version back, and put it back; nothing is destroyed for good.
path "kv/delete/fluentpro/{env}/*" {
  capabilities = ["update"]
}
path "kv/undelete/fluentpro/{env}/*" {
  capabilities = ["update"]
}

# Change the static database user's password before its time.
path "database/rotate-role/fluentpro-{env}-static" {
  capabilities = ["update"]
}

# New secret ids for the processes of this environment, and the id of their roles.
path "auth/approle/role/fluentpro-{env}-web/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/fluentpro-{env}-realtime/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/fluentpro-{env}-worker/secret-id" {
  capabilities = ["update"]
}
path "auth/approle/role/fluentpro-{env}-web/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/fluentpro-{env}-realtime/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/fluentpro-{env}-worker/role-id" {
  capabilities = ["read"]
}

# Its own token.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
