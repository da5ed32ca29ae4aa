/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every well-known string of the project: what another process, a file or an administrator sees. */
#pragma once

/* D-Bus */
#define CREEL_BUS_NAME "org.creel.Creel1"
#define CREEL_OBJECT_PATH "/org/creel/Creel1"
#define CREEL_SANDBOX_PATH CREEL_OBJECT_PATH "/sandbox"
#define CREEL_SESSION_PATH CREEL_OBJECT_PATH "/session"
#define CREEL_JOB_PATH CREEL_OBJECT_PATH "/job"
#define CREEL_AGENT_PATH CREEL_OBJECT_PATH "/agent"     /* exported by creel-agent */
#define CREEL_GATEWAY_PATH CREEL_OBJECT_PATH "/gateway" /* peer to peer, exported by creel-gateway */
#define CREEL_BROKER_PATH CREEL_OBJECT_PATH "/broker"   /* peer to peer, exported by creeld */
#define CREEL_AGENT_BUS_NAME "org.creel.SessionAgent1" /* on the session bus: one creel-agent per session */
#define CREEL_ERROR_PREFIX CREEL_BUS_NAME ".Error."

/* units, domains */
#define CREEL_UNIT_PREFIX "creel@"
#define CREEL_UNIT_TEMPLATE "creel@.service"
#define CREEL_ENGINE_UNIT_PREFIX "creel-engine-" /* and the first 16 digits of the model's id */
#define CREEL_ENGINE_SLICE "system-creel\\x2dengine.slice"
#define CREEL_MODELS_UNIT "creel-models.service"
#define CREEL_MODELS_SOCKET "creel-models.socket"
#define CREEL_DOMAIN_PREFIX "creel-"
#define CREEL_DEFINITION_FILE "50-definition.conf"
#define CREEL_DEFINITION_SECTION "X-Creel"
#define CREEL_CREDENTIAL_SECTION_PREFIX "X-Creel-Credential "

/* files; tests put another root in front with CREEL_ROOT, which only non-setuid test builds honour */
#define CREEL_SYSTEM_UNIT_DIR "/etc/systemd/system"
#define CREEL_RUNTIME_UNIT_DIR "/run/systemd/system"
#define CREEL_STATE_DIR "/var/lib/creel"
#define CREEL_IMAGE_DIR CREEL_STATE_DIR "/images"
#define CREEL_MODEL_DIR CREEL_STATE_DIR "/models"
#define CREEL_OCI_DIR CREEL_STATE_DIR "/oci" /* blobs/sha256, jobs: of the workers, see service/image/README.md */
#define CREEL_SANDBOX_DIR CREEL_STATE_DIR "/sandboxes"
#define CREEL_GUEST_DIR CREEL_STATE_DIR "/guest" /* vmlinuz, initramfs, accelerator */
#define CREEL_RUNTIME_DIR "/run/creel"
#define CREEL_CHANNEL_DIR CREEL_RUNTIME_DIR "/channels" /* NAME.egress NAME.control NAME.gateway */
#define CREEL_ENGINE_DIR "/run/creel-engines"           /* HEX16/engine.sock: the runtime directory of an engine's unit */
#define CREEL_CONFIG_DIR "/etc/creel"                   /* policy.d credentials.d agents.d ca.d */

/* the user of workers that read or write CREEL_OCI_DIR */
#define CREEL_IMAGE_USER "creel-image"
/* the user and group of creel-models.service */
#define CREEL_MODELS_USER "creel-models"
/* The range that systemd takes the users of DynamicUser= from */
#define CREEL_DYNAMIC_UID_MIN 61184
#define CREEL_DYNAMIC_UID_MAX 65519

/* the two virtio-serial ports of a guest */
#define CREEL_PORT_EGRESS "org.creel.egress"
#define CREEL_PORT_CONTROL "org.creel.control"

/* what the guest sees */
#define CREEL_GUEST_PROXY_PORT 3128
#define CREEL_GUEST_UID 1000
#define CREEL_GUEST_USER "agent"
#define CREEL_GUEST_RUNTIME_DIR "/run/creel"
#define CREEL_SYNTHETIC_NET "198.18.0.0/15"
#define CREEL_MODEL_RUNNER_PORT 12434

/* the standard refusal */
#define CREEL_DENIED_HEADER "Creel-Denied"

/* for the model runner, which believes it from the gateway alone: the sandbox that asks */
#define CREEL_SANDBOX_HEADER "Creel-Sandbox"

/* journal fields */
#define CREEL_FIELD_SANDBOX "CREEL_SANDBOX"
#define CREEL_FIELD_EVENT "CREEL_EVENT"     /* request, question, life, session, secret, port, model */
#define CREEL_FIELD_VERDICT "CREEL_VERDICT" /* allow, deny */
#define CREEL_FIELD_REASON "CREEL_REASON"
#define CREEL_FIELD_METHOD "CREEL_METHOD"
#define CREEL_FIELD_HOST "CREEL_HOST"
#define CREEL_FIELD_PORT "CREEL_PORT"
#define CREEL_FIELD_REQUEST_PATH "CREEL_PATH" /* without the query */
#define CREEL_FIELD_RULE "CREEL_RULE"
#define CREEL_FIELD_CREDENTIAL "CREEL_CREDENTIAL"
#define CREEL_FIELD_SCRUBBED "CREEL_SCRUBBED" /* how many times a key was hidden in the answer */
#define CREEL_FIELD_COUNT "CREEL_COUNT"       /* of refusals that one entry tells of; without: one */
#define CREEL_FIELD_OWNER "CREEL_OWNER" /* uid whose sandbox it is; of events "secret" */
#define CREEL_FIELD_STATUS "CREEL_STATUS"
#define CREEL_FIELD_BYTES_IN "CREEL_BYTES_IN"
#define CREEL_FIELD_BYTES_OUT "CREEL_BYTES_OUT"
#define CREEL_FIELD_WAY "CREEL_WAY" /* proxy, transparent */

#define CREEL_FIELD_MODEL "CREEL_MODEL" /* as people call it */
#define CREEL_FIELD_USER "CREEL_USER" /* uid whose program changed a model, or was not let */
#define CREEL_FIELD_PEER "CREEL_PEER"             /* who connected to a published port */
#define CREEL_FIELD_GUEST_PORT "CREEL_GUEST_PORT" /* that it leads to */
#define CREEL_FIELD_QUESTION "CREEL_QUESTION"       /* its id */
#define CREEL_FIELD_ANSWER "CREEL_ANSWER"           /* waits; then once, run, always, deny, deny-run, timed-out, withdrawn, unattended */
#define CREEL_FIELD_ANSWERED_BY "CREEL_ANSWERED_BY" /* uid */
#define CREEL_FIELD_REQUEST "CREEL_REQUEST" /* joins the announcement and the end of one request */
#define CREEL_FIELD_DURATION "CREEL_USEC"   /* of the whole request, in microseconds */

/* MESSAGE_IDs, each explained in data/catalog */
#define CREEL_MESSAGE_SANDBOX_STARTED "2f5b1f6a3c0d4ee0b7c5d9a1e4620f01"
#define CREEL_MESSAGE_SANDBOX_STOPPED "2f5b1f6a3c0d4ee0b7c5d9a1e4620f02"
#define CREEL_MESSAGE_SANDBOX_FAILED "2f5b1f6a3c0d4ee0b7c5d9a1e4620f03"
#define CREEL_MESSAGE_REQUEST "2f5b1f6a3c0d4ee0b7c5d9a1e4620f04"      /* announced, before anything goes out */
#define CREEL_MESSAGE_REQUEST_DONE "2f5b1f6a3c0d4ee0b7c5d9a1e4620f05" /* its bytes and status */
#define CREEL_MESSAGE_SECRET_USED "2f5b1f6a3c0d4ee0b7c5d9a1e4620f06"
#define CREEL_MESSAGE_SECRET_REFUSED "2f5b1f6a3c0d4ee0b7c5d9a1e4620f07"
#define CREEL_MESSAGE_QUESTION "2f5b1f6a3c0d4ee0b7c5d9a1e4620f09"     /* it waits, or what became of it */
#define CREEL_MESSAGE_PORT "2f5b1f6a3c0d4ee0b7c5d9a1e4620f31" /* a connection to a published port, before a byte of it is read */
#define CREEL_MESSAGE_MODEL_REQUEST "2f5b1f6a3c0d4ee0b7c5d9a1e4620f41"
#define CREEL_MESSAGE_NO_KVM "2f5b1f6a3c0d4ee0b7c5d9a1e4620f08"
