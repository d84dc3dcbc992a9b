#!/usr/bin/env bash
# Prints the Secrets that an overlay needs, with random passwords. Run it once:
#   deploy/k8s/secrets.sh | kubectl create -f -          overlays `operators` and `prod`: two database roles per service,
#                                                        the clients of the issuer, and the card processor's key
#   deploy/k8s/secrets.sh local | kubectl create -f -    overlay `local`: also the superuser of PostgreSQL, Kafka's users, and
#                                                        the certificates that Strimzi makes in the other overlays
#   deploy/k8s/secrets.sh monolith | kubectl create -f - overlay `monolith`: also the superuser of PostgreSQL
# `kubectl create` refuses a second run: other passwords than those that the databases know would stop the services.
set -euo pipefail

overlay=${1-}
if [[ $# -gt 1 || ! $overlay =~ ^(|local|monolith)$ ]]; then
    echo "usage: ${0##*/} [local | monolith]" >&2
    exit 2
fi

password() { # Letters and digits alone: it becomes a part of a URL.
    head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9'
}

head_of() { # NAME TYPE
    # The label has CloudNativePG follow a later change of the password.
    cat <<YAML
---
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: shopfloor
  labels: {cnpg.io/reload: "true", app.kubernetes.io/part-of: shopfloor}
type: $2
stringData:
YAML
}

login() { # NAME USER
    head_of "$1" kubernetes.io/basic-auth
    echo "  username: $2"
    echo "  password: $(password)"
}

clients() { # NAME CLIENT...
    head_of "$1" Opaque
    for client in "${@:2}"; do
        echo "  ISSUER_${client^^}_SECRET: $(password)"
    done
}

file() { # NAME KEY FILE
    head_of "$1" Opaque
    echo "  $2: |"
    sed 's/^/    /' "$3"
}

certificates() { # A CA, whose private key is forgotten, and the certificate of the broker.
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cat >"$folder/openssl.cnf" <<CONFIGURATION
[req]
prompt = no
distinguished_name = ca_name
x509_extensions = ca
[ca_name]
CN = Shopfloor CA $(date -u +%Y-%m-%dT%H:%M:%SZ)
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:kafka, DNS:kafka.shopfloor.svc, DNS:kafka-0.kafka.shopfloor.svc, DNS:localhost, IP:127.0.0.1
CONFIGURATION
    (
        cd "$folder"
        new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf)
        openssl req -x509 "${new_key[@]}" -days 3650 -keyout ca.key -out ca.crt
        openssl req -new "${new_key[@]}" -subj /CN=kafka -keyout broker.key -out broker.csr
        openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 \
            -extfile openssl.cnf -extensions broker -out broker.crt
        cat broker.key broker.crt >broker.pem
    ) 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 1; }
    # The name that Strimzi gives to it, so that workers are the same in each overlay.
    file shopfloor-cluster-ca-cert ca.crt "$folder/ca.crt"
    file kafka-broker-certificate broker.pem "$folder/broker.pem"
}

services=()
for project in "$(dirname "$0")"/../../services/*/pyproject.toml; do
    services+=("$(basename "$(dirname "$project")")")
done
for service in "${services[@]}"; do
    login "$service-database" "$service"
    login "$service-database-owner" "${service}_owner"
done
clients issuer-clients storefront clerk operator notifications
head_of card-processor-key Opaque
echo "  PROCESSOR_API_KEY: $(password)"
if [[ -n $overlay ]]; then
    login postgres-superuser postgres
fi
if [[ $overlay == local ]]; then
    # Strimzi, too, names the Secret of a Kafka user as the user. `topics` creates the users and their rights.
    for user in "${services[@]}" oracle keda topics; do
        login "$user" "$user"
    done
    certificates
fi
