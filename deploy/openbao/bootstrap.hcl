# What `fluentpro vault bootstrap` and enrol.sh may do: make mounts, policies, roles and first secrets.

path "sys/mounts/*" {
  capabilities = ["create", "read", "update"]
}
path "sys/auth/*" {
  capabilities = ["create", "read", "update", "sudo"]
}
path "sys/policies/acl/fluentpro-*" {
  capabilities = ["create", "read", "update"]
}
path "auth/approle/role/fluentpro-*" {
  capabilities = ["create", "read", "update"]
}
path "kv/data/fluentpro/*" {
  capabilities = ["create", "read", "update"]
}
path "kv/metadata/fluentpro/*" {
  capabilities = ["read"]
}
path "database/*" {
  capabilities = ["create", "read", "update"]
}

# The CLI asks under which version a path is mounted.
path "sys/internal/ui/mounts/*" {
  capabilities = ["read"]
}

# Its own life.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
