/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* What a worker (creel-image MODE) may do, by kind: one table in creel-worker-unit.c. See service/image/README.md. */
typedef enum
{
  CREEL_WORKER_IMPORT,  /* archive (fd 0) to squashfs (fd 1); no network */
  CREEL_WORKER_BUILD,   /* packages to squashfs (fd 1); network, and namespaces of its own */
  CREEL_WORKER_PLAN,    /* the caller's folder and what is known of its base (fd 0) to lines; is the caller; no network */
  CREEL_WORKER_COPY,    /* the caller's folder to the stdin of a guest's tar (fd 1); is the caller; no network */
  CREEL_WORKER_FETCH,   /* registry to oci/; network; fd 0: credential */
  CREEL_WORKER_CONVERT, /* oci/ to squashfs (fd 1); no network, oci/ read only */
  CREEL_WORKER_LAYER,   /* squashfs (fd 0) to oci/; no network */
  CREEL_WORKER_SAVE,    /* tar of a guest (fd 0) to oci/; no network */
  CREEL_WORKER_PUSH,    /* oci/ to registry; network, oci/ read only; fd 0: credential */
  CREEL_WORKER_EXPORT,  /* oci/ or squashfs (fd 0) to the caller's file (fd 1); no network, oci/ read only */
  CREEL_WORKER_MODEL_FETCH, /* registry to oci/; network; fd 0: credential */
  CREEL_WORKER_MODEL_ADD,   /* the caller's file (fd 0) to oci/; no network */
  CREEL_WORKER_MODEL_PACK,  /* blobs in oci/ become a model there; no network */
  CREEL_WORKER_MODEL_PUSH,  /* oci/ to registry; network, oci/ read only; fd 0: credential */
  CREEL_N_WORKERS
} CreelWorkerKind;

/* "fetch", ...: the first argument of creel-image. */
const char *creel_worker_kind_mode (CreelWorkerKind kind);
/* Properties of its transient unit, a(sv), floating. Handles are 0 stdin, 1 stdout, 2 stderr; arguments: after the mode, or NULL.
 * uid: of the caller, for the kinds that are the caller; it reads what that user may read. */
GVariant *creel_worker_unit_properties (CreelWorkerKind kind, uid_t uid, const char *const *arguments);
