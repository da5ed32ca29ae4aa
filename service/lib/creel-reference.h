/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The name of an image: [host[:port]/]path[:tag][@sha256:digest]. The first part is a host when it has a dot or a colon,
 * or is "localhost"; a name without a host is one of this machine's, or of the registry of /etc/creel/creel.conf.
 * docker.io/debian is docker.io/library/debian, and index.docker.io is docker.io, as Docker has it. */
typedef struct
{
  char *host;   /* lower case, with its port; NULL: none named */
  char *path;
  char *tag;    /* NULL: none named */
  char *digest; /* "sha256:<64 hex>"; NULL: none named */
} CreelReference;
void creel_reference_free (CreelReference *reference);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelReference, creel_reference_free)

/* G_DBUS_ERROR_INVALID_ARGS when it is none. What could be taken for an image's id is none either. Fuzzed. */
CreelReference *creel_reference_parse (const char *text, GError **error);
/* Host, path and digest, or tag ("latest" when there is neither): the one spelling that lists and files have. */
char *creel_reference_format (const CreelReference *reference);
/* The same name at its digest. */
char *creel_reference_format_digest (const CreelReference *reference, const char *digest);
/* Gives a name without a host this one. */
void creel_reference_qualify (CreelReference *reference, const char *host);
/* Takes the host away again: docker.io/library/debian is debian. */
void creel_reference_unqualify (CreelReference *reference);
/* Which of `names` (keys, in their one spelling) a person means: as it is written, or with `registry` (may be NULL) for a name without a
 * host and the other way round: docker.io/x/y and x/y are one. Owned by the caller; NULL when none is meant. */
char *creel_reference_find (GHashTable *names, const char *text, const char *registry);

/* "ghcr.io", "localhost:5000", "[::1]:5000" in its one spelling; NULL with G_DBUS_ERROR_INVALID_ARGS. */
char *creel_registry_normalize (const char *host, GError **error);
/* Registry= of section [Images] in /etc/creel/creel.conf, or "docker.io". A file that cannot be read or is wrong is
 * CREEL_ERROR_BAD_DEFINITION. */
char *creel_registry_default (GError **error);
/* The same of section [Models], whose other keys are not looked at. */
char *creel_registry_of_models (GError **error);
