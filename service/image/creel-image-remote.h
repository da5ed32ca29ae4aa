/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A complete name of an image in a registry, HOST[:PORT]/PATH[:TAG][@sha256:HEX], taken apart. */
#pragma once

#include <gio/gio.h>

typedef struct
{
  char *host; /* with the port, as it was written */
  char *path;
  char *tag;      /* NULL: none was written */
  char *digest;   /* 64 hex digits, or NULL */
  gboolean local; /* a registry of this machine, which TLS would not protect */
} CreelImageRemote;

/* NULL with an error (Failed) that says what is wrong with the name. */
CreelImageRemote *creel_image_remote_parse (const char *reference, GError **error);
void creel_image_remote_free (CreelImageRemote *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageRemote, creel_image_remote_free)

/* For skopeo: docker://HOST/PATH:TAG or, when digest or self->digest is there,
 * docker://HOST/PATH@sha256:… */
char *creel_image_remote_uri (const CreelImageRemote *self, const char *digest);
/* For people: HOST/PATH:TAG. */
char *creel_image_remote_name (const CreelImageRemote *self);
