# One OpenBao with its data on a volume. It opens itself with a key that is a file, so that it comes back
# after a restart; in a cloud, let its key service do that (seal "awskms", "gcpckms", "transit").

api_addr     = "https://openbao:8200"
cluster_addr = "https://openbao:8201"
ui           = false

# The bootstrap token lives a year after each use; each role says for itself how long its tokens live.
max_lease_ttl = "8760h"

storage "raft" {
  path    = "/openbao/file"
  node_id = "openbao"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/run/secrets/openbao_certificate.pem"
  tls_key_file  = "/run/secrets/openbao_key.pem"
}

seal "static" {
  current_key_id = "1"
  current_key    = "file:///run/secrets/openbao_unseal_key"
}

# Who did what, in the container's log; values are hashed.
audit "file" "stdout" {
  options {
    file_path = "stdout"
  }
}

# At its very first start: one token, which is known beforehand, and may make what FluentPro needs. The root
# token is revoked.
initialize "bootstrap" {
  request "policy" {
    operation = "update"
    path      = "sys/policies/acl/bootstrap"
    data = {
      policy = {
        eval_source = "file"
        eval_type   = "string"
        path        = "/openbao/config/bootstrap.hcl"
      }
    }
  }
  request "token" {
    operation = "update"
    path      = "auth/token/create-orphan"
    data = {
      id = {
        eval_source = "file"
        eval_type   = "string"
        path        = "/run/secrets/openbao_admin_token"
      }
      display_name = "bootstrap"
      policies     = ["bootstrap"]
      period       = "8760h"
    }
  }
}
