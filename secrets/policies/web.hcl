# What the processes that answer HTTP may do, in one environment: {env} is filled in by `fluentpro vault bootstrap`.
#
# Each process type has a policy and a role of its own, so that one can be shut out alone and the audit
# log tells them apart. They read the same secrets, because each checks the whole configuration.

# Its configuration's secrets, and the versions of them that it polls. Of no other environment; never
# written, listed or deleted.
path "kv/data/fluentpro/{env}/*" {
  capabilities = ["read"]
}
path "kv/metadata/fluentpro/{env}/*" {
  capabilities = ["read"]
}

# Its database user: one made for it, or the one whose password changes on a schedule.
path "database/creds/fluentpro-{env}" {
  capabilities = ["read"]
}
path "database/static-creds/fluentpro-{env}-static" {
  capabilities = ["read"]
}

# Its own token, and the leases of the database users of this environment.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "sys/leases/lookup" {
  capabilities       = ["update"]
  allowed_parameters = { "lease_id" = ["database/creds/fluentpro-{env}/*"] }
}
path "sys/leases/renew" {
  capabilities       = ["update"]
  allowed_parameters = {
    "lease_id"  = ["database/creds/fluentpro-{env}/*"]
    "increment" = []
  }
}
path "sys/leases/revoke" {
  capabilities       = ["update"]
  allowed_parameters = {
    "lease_id" = ["database/creds/fluentpro-{env}/*"]
    "sync"     = []
  }
}
