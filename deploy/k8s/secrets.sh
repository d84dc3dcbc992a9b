#!/usr/bin/env bash
# Prints the Secrets that the overlays `operators` and `prod` need: two roles per service, random passwords.
#   deploy/k8s/secrets.sh | kubectl apply -f -      once: a second run would change passwords under running services
set -euo pipefail

secret() { # NAME USER
    # The label has CloudNativePG follow a later change of the password.
    cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: shopfloor
  labels: {cnpg.io/reload: "true", app.kubernetes.io/part-of: shopfloor}
type: kubernetes.io/basic-auth
stringData:
  username: $2
  # Letters and digits alone: it becomes a part of a URL.
  password: $(head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')
---
YAML
}

cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: issuer-clients
  namespace: shopfloor
  labels: {app.kubernetes.io/part-of: shopfloor}
stringData:
  ISSUER_STOREFRONT_SECRET: $(head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')
  ISSUER_CLERK_SECRET: $(head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')
  ISSUER_OPERATOR_SECRET: $(head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')
---
YAML

for project in "$(dirname "$0")"/../../services/*/pyproject.toml; do
    service=$(basename "$(dirname "$project")")
    secret "$service-database" "$service"
    secret "$service-database-owner" "${service}_owner"
done
