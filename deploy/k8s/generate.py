"""Writes what follows from contracts/topics.yaml: topics, users and rights, databases, scaling, policies, image names.

python deploy/k8s/generate.py           write the files anew
python deploy/k8s/generate.py --check   exit code 1 if a committed file is not what would be written
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from shop_stack import rights
from shop_stack.rights import Resource

HERE = Path(__file__).resolve().parent
TOPICS = HERE.parents[1] / "contracts" / "topics.yaml"
HEADER = "# Written by deploy/k8s/generate.py from contracts/topics.yaml: change that, run it again.\n"

Topics = Sequence[Mapping[str, Any]]
Object = dict[str, Any]

CLUSTER = {"strimzi.io/cluster": "shopfloor"}
LAG_THRESHOLD = 200
"""Messages unread per replica, from which on another replica is worth its rebalance."""


# --- Strimzi --------------------------------------------------------------------------------------


def kafka_topic(topic: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic["name"], "labels": CLUSTER},
        "spec": {
            "partitions": topic["partitions"],
            "replicas": 3,
            "config": {
                "cleanup.policy": topic["cleanup_policy"],
                "retention.ms": topic["retention_ms"],
                "min.insync.replicas": 2,
            },
        },
    }


def kafka_user(name: str, topics: Topics) -> Object:
    """A user with the rights of `shop_stack.rights`, in Strimzi's words."""
    operations: dict[tuple[Resource, str, str], list[str]] = defaultdict(list)
    for right in rights.rights_of(name, topics):
        operations[right.resource, right.name, right.pattern].append(str(right.operation))
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": name, "labels": CLUSTER},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {
                "type": "simple",
                "acls": [
                    {
                        "resource": {"type": str(kind), "name": resource, "patternType": str(pattern)},
                        "operations": allowed,
                    }
                    for (kind, resource, pattern), allowed in operations.items()
                ],
            },
        },
    }


# --- Logins ---------------------------------------------------------------------------------------


def principals(topics: Topics) -> list[str]:
    """The Kafka users of a shop on Kubernetes. KEDA asks for the lag of each group."""
    return [*rights.principals(topics), rights.KEDA]


def password_of(principal: str) -> Object:
    """The value of a variable. The Secret has the name that Strimzi gives it."""
    return {"secretKeyRef": {"name": principal, "key": "password"}}


def mount(volume: str, folder: str) -> Object:
    """A volume at a folder of a container, which can only read it."""
    return {"name": volume, "mountPath": folder, "readOnly": True}


def secret_file(volume: str, secret: str, key: str, mode: int) -> Object:
    """A volume with one key of a Secret as its only file. The kubelet follows later changes of the Secret."""
    source = {"secretName": secret, "defaultMode": mode, "items": [{"key": key, "path": key}]}
    return {"name": volume, "secret": source}


def worker_as_user(service: str) -> Object:
    """The patch that lets a worker log in as its own user. It reads the password at each login."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{service}-worker"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "worker",
                            "env": [
                                {"name": "KAFKA_SECURITY_PROTOCOL", "value": "SASL_SSL"},
                                {"name": "KAFKA_SASL_MECHANISM", "value": "SCRAM-SHA-512"},
                                {"name": "KAFKA_SASL_USERNAME", "value": service},
                                {
                                    "name": "KAFKA_SASL_PASSWORD_FILE",
                                    "value": "/run/passwords/kafka/password",
                                },
                                {"name": "KAFKA_SSL_CAFILE", "value": "/run/kafka/ca.crt"},
                            ],
                            "volumeMounts": [
                                mount("kafka-ca", "/run/kafka"),
                                mount("kafka-password", "/run/passwords/kafka"),
                            ],
                        }
                    ],
                    "volumes": [
                        secret_file("kafka-ca", "shopfloor-cluster-ca-cert", "ca.crt", 0o444),
                        secret_file("kafka-password", service, "password", 0o440),
                    ],
                }
            }
        },
    }


def job_with_passwords(topics: Topics) -> Object:
    """The patch that gives the job of kafka-single the passwords of the users that it creates."""
    passwords = [
        {"name": f"{principal.upper()}_KAFKA_PASSWORD", "valueFrom": password_of(principal)}
        for principal in principals(topics)
    ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "declare-topics"},
        "spec": {"template": {"spec": {"containers": [{"name": "declare", "env": passwords}]}}},
    }


# --- Images ---------------------------------------------------------------------------------------


def image_in_version(service: str) -> Object:
    """The replacement that tells both roles of a service the name of their image, for /version."""
    return {
        "source": {
            "kind": "Deployment",
            "name": f"{service}-api",
            "fieldPath": "spec.template.spec.containers.[name=api].image",
        },
        "targets": [
            {
                "select": {"kind": "Deployment", "name": f"{service}-{role}"},
                "fieldPaths": [f"spec.template.spec.containers.[name={role}].env.[name=SHOP_IMAGE].value"],
            }
            for role in ("api", "worker")
        ],
    }


# --- CloudNativePG --------------------------------------------------------------------------------


def grants(service: str) -> list[str]:
    """The same wall as in components/postgres-single/roles.sh."""
    owner = f"{service}_owner"
    to = f"TO {service}"
    return [
        f"REVOKE ALL ON DATABASE {service} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {service} {to}",
        f"ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public {to}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES {to}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES {to}",
    ]


def database_cluster(service: str) -> Object:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": f"{service}-db"},
        "spec": {
            "instances": 3,
            "inheritedMetadata": {
                "labels": {
                    "app.kubernetes.io/component": "database",
                    "app.kubernetes.io/part-of": "shopfloor",
                    f"shopfloor.example/data-of-{service}": "true",
                }
            },
            "bootstrap": {
                "initdb": {
                    "database": service,
                    "owner": f"{service}_owner",
                    "secret": {"name": f"{service}-database-owner"},
                    # Its password comes with `managed`, which is applied later.
                    "postInitSQL": [f"CREATE ROLE {service} LOGIN"],
                    "postInitApplicationSQL": grants(service),
                }
            },
            "managed": {
                "roles": [
                    {
                        "name": service,
                        "ensure": "present",
                        "login": True,
                        "passwordSecret": {"name": f"{service}-database"},
                    }
                ]
            },
            "postgresql": {
                # A commit is answered when a second instance has it, and only an instance that has it is promoted:
                # a failover loses no transaction whose events are published already.
                "synchronous": {
                    "method": "any",
                    "number": 1,
                    "dataDurability": "required",
                    "failoverQuorum": True,
                },
                "parameters": {"max_connections": "200", "jit": "off"},
            },
            "storage": {"size": "10Gi"},
            "resources": {
                "requests": {"cpu": "250m", "memory": "512Mi"},
                "limits": {"cpu": "2", "memory": "1Gi"},
            },
            "affinity": {"enablePodAntiAffinity": True, "topologyKey": "kubernetes.io/hostname"},
        },
    }


def scheduled_backup(service: str, minute: int) -> Object:
    """A base backup each night, five minutes after that of the service before."""
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "ScheduledBackup",
        "metadata": {"name": f"{service}-db"},
        "spec": {
            "schedule": f"0 {minute} 2 * * *",
            "immediate": True,
            "cluster": {"name": f"{service}-db"},
            "method": "plugin",
            "pluginConfiguration": {"name": "barman-cloud.cloudnative-pg.io"},
            "backupOwnerReference": "self",
        },
    }


# --- KEDA -----------------------------------------------------------------------------------------


def lag_trigger(service: str, topic: str) -> Object:
    return {
        "type": "kafka",
        "metadata": {
            "bootstrapServersFromEnv": "KAFKA_BOOTSTRAP_SERVERS",
            "consumerGroup": service,
            "topic": topic,
            "lagThreshold": str(LAG_THRESHOLD),
            # As the consumers themselves: a group without offsets has everything before it.
            "offsetResetPolicy": "earliest",
            # The protocol's, not the broker's: the default is too old for a broker of today.
            "version": "4.0.0",
        },
        "authenticationRef": {"name": "kafka-lag"},
    }


def scaled_object(service: str, topics: Topics) -> Object:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": f"{service}-worker", "labels": {"app.kubernetes.io/name": service}},
        "spec": {
            "scaleTargetRef": {"name": f"{service}-worker"},
            "pollingInterval": 10,
            "cooldownPeriod": 60,
            # Never 0: the worker also relays the outbox and runs the jobs.
            "minReplicaCount": 1,
            "maxReplicaCount": 4,
            "fallback": {
                "failureThreshold": 6,
                "replicas": 1,
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    # Each change moves partitions: up at once, down when it has been quiet for a minute.
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}
                }
            },
            "triggers": [lag_trigger(service, topic) for topic in rights.read_by(service, topics)],
        },
    }


# --- Network policies -----------------------------------------------------------------------------


def policy(name: str, pods: Mapping[str, str], **rules: Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": dict(pods)},
            "policyTypes": [kind.capitalize() for kind in rules],
            **rules,
        },
    }


def to_port(port: int) -> list[Object]:
    return [{"protocol": "TCP", "port": port}]


def own_data(service: str) -> list[Object]:
    """A service reaches its own data, and its data hears nobody else."""
    pods = {"app.kubernetes.io/name": service}
    data = {f"shopfloor.example/data-of-{service}": "true"}
    return [
        policy(
            f"{service}-to-its-data",
            pods,
            egress=[{"to": [{"podSelector": {"matchLabels": data}}], "ports": to_port(5432)}],
        ),
        policy(
            f"data-of-{service}",
            data,
            ingress=[{"from": [{"podSelector": {"matchLabels": pods}}], "ports": to_port(5432)}],
        ),
    ]


# --- Files ----------------------------------------------------------------------------------------


def files(topics: Topics) -> dict[Path, list[Object] | list[list[Object]]]:
    """Path → the documents in it: an object each, or the one list of a file of replacements."""
    services = rights.services_of(topics)
    components = HERE / "components"
    return {
        components / "strimzi" / "topics.yaml": [kafka_topic(topic) for topic in topics],
        components / "strimzi" / "users.yaml": [kafka_user(name, topics) for name in principals(topics)],
        components / "kafka-logins" / "workers.yaml": [worker_as_user(service) for service in services],
        components / "kafka-single" / "users.yaml": [job_with_passwords(topics)],
        components / "cloudnative-pg" / "clusters.yaml": [database_cluster(name) for name in services],
        components / "cloudnative-pg-backups" / "schedules.yaml": [
            scheduled_backup(name, 5 * position) for position, name in enumerate(services)
        ],
        components / "keda" / "scaledobjects.yaml": [
            scaled_object(name, topics) for name in rights.readers_of(topics)
        ],
        HERE / "base" / "images.yaml": [[image_in_version(name) for name in services]],
        # The names of its images are others, and kustomize reads no file from outside of a folder.
        HERE / "overlays" / "prod" / "images.yaml": [[image_in_version(name) for name in services]],
        components / "network-policies" / "data.yaml": [
            policy for service in services for policy in own_data(service)
        ],
    }


class Plain(yaml.SafeDumper):
    """Without anchors, for two objects that are alike are not one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_of(objects: Sequence[Object] | Sequence[Sequence[Object]]) -> str:
    return HEADER + yaml.dump_all(objects, Dumper=Plain, sort_keys=False, width=120)


def main(arguments: Sequence[str]) -> int:
    written = files(yaml.safe_load(TOPICS.read_text())["topics"])
    if "--check" not in arguments:
        for path, objects in written.items():
            path.write_text(text_of(objects))
        return 0
    stale = [p for p, objects in written.items() if not p.exists() or p.read_text() != text_of(objects)]
    for path in stale:
        print(f"{path.relative_to(HERE)} is not what contracts/topics.yaml says: run {Path(__file__).name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
