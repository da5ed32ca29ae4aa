/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image says about itself: environment, command, user. */
#pragma once

#include "creel-image-report.h"

#include <json-glib/json-glib.h>

typedef struct
{
  GPtrArray *environment; /* of char *, K=V */
  GPtrArray *entrypoint;
  GPtrArray *command;
  GPtrArray *references; /* names found in the archive */
  char *user;
  char *working_dir;
  char *architecture; /* amd64, arm64, ... as in OCI */
  char *source;       /* docker-archive, oci-archive, rootfs, recipe NAME */
} CreelImageConfig;

CreelImageConfig *creel_image_config_new (void);
void creel_image_config_free (CreelImageConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageConfig, creel_image_config_free)

/* Takes over what the config file of an OCI or Docker image says; BadImage for another operating
 * system or architecture than the host's, and for values beyond the limits. */
gboolean creel_image_config_load (CreelImageConfig *self, JsonObject *object, GError **error);

void creel_image_config_report (CreelImageConfig *self, CreelImageReport *report);

/* The host's architecture in OCI's words. */
const char *creel_image_config_host_architecture (void);
/* The host's architecture as e_machine of an ELF file, 0 when not known. */
guint16 creel_image_config_host_machine (void);
