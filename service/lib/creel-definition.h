/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#include "creel-limits.h"
#include "creel-policy.h"
#include "creel-publish.h"

/* The definition of a sandbox: section [X-Creel] of the unit creel@NAME.service, read from the drop-ins that
 * systemd reads (/etc, /run, /usr/lib; creel@.service.d and creel@NAME.service.d; sorted by file name, the higher
 * directory hides the same name), so that an edit with `systemctl edit` counts.
 * Syntax as systemd's: Key=Value, a list key repeats, an empty assignment clears the list, # and ; comment.
 * An unknown key, a bad value, a missing Owner or Image is CREEL_ERROR_BAD_DEFINITION with file and line. */
typedef struct
{
  char *path; /* absolute, canonical, no symlink */
  gboolean read_only;
} CreelWorkspace;

typedef struct
{
  char *name;
  char **hosts;   /* exact hosts, canonical; port 443 unless "host:port" */
  char *header;   /* "Authorization", "x-api-key", ... ; NULL when parameter is set */
  char *format;   /* "Bearer {}", "{}"; {} is replaced by the key. "basic:USER" for Basic */
  char *parameter;/* query parameter that carries the key, or NULL */
  char **strip_headers;    /* removed from what the client sent, besides `header` */
  char **strip_parameters;
  char **variables;        /* guest variables that hold the placeholder: OPENAI_API_KEY */
  char *placeholder;       /* shape of the placeholder with {} for the random part: "sk-creel-{}" */
  char *description;
} CreelCredential;
CreelCredential *creel_credential_copy (const CreelCredential *credential);
void creel_credential_free (CreelCredential *credential);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelCredential, creel_credential_free)
/* Looks NAME.conf up in /etc/creel/credentials.d, then in the package's. Section [Credential], keys Host= (list),
 * Header=, Format=, Parameter=, StripHeader=, StripParameter=, Variable=, Placeholder=, Description=. */
CreelCredential *creel_credential_load (const char *name, GError **error);
char **creel_credential_list (void); /* names of all files */
gboolean creel_credential_name_is_valid (const char *name);

typedef struct
{
  char *name;
  gboolean ephemeral;      /* lives under /run, removed when it stops (--rm) */
  uid_t owner;             /* Owner= */
  char *agent;             /* Agent=, "shell" */
  char *image;             /* Image=: the reference as the user wrote it */
  char *image_id;          /* ImageID=sha256-…: the image store's id, pinned */
  guint64 memory;          /* Memory= bytes, suffixes K M G; at least 128M */
  guint cpus;              /* CPUs= */
  guint64 disk;            /* Disk= bytes, of the sparse upper disk */
  GPtrArray *workspaces;   /* Workspace=PATH[:ro], the first is the working directory */
  char **environment;      /* Environment=KEY=VALUE, one per line, no quoting */
  char **command;          /* Command=: words as g_shell_parse_argv splits them; empty: the image's */
  char *preset;            /* Preset=locked|balanced|open */
  CreelVerdict default_verdict; /* Policy=deny|ask|allow */
  CreelPolicy *policy;     /* preset plus Allow=, Approved=, Ask=, Deny= in one, plus the ceiling when it was loaded; never NULL */
  char **allow, **ask, **deny; /* the rules as texts, for editing */
  char **approved;         /* Approved=: as Allow=, and goes before Ask=: what was answered with "always" */
  guint ask_timeout;       /* AskTimeoutSec= seconds that a request waits for an answer, 1 to 1800; default 60 */
  CreelLimits limits;      /* ConnectionsMax= and its like, see creel-limits.h; under the ceiling when that was loaded */
  char **bypass;           /* Bypass=HOST[:PORT]: tunnelled, never intercepted */
  char **credentials;      /* Credential=NAME */
  char **publish;          /* Publish=[[IP:]HOST:]GUEST, as creel_publish_format() writes it */
  GPtrArray *own_credentials; /* CreelCredential: sections [X-Creel-Credential NAME] of this definition */
  guint start_timeout;     /* StartTimeoutSec= seconds until the guest must have said hello; default 90 */
  gint64 created;          /* Created= usec since the epoch */
} CreelDefinition;

#define CREEL_MAX_WORKSPACES 16
#define CREEL_MAX_ENVIRONMENT 256
#define CREEL_MAX_RULES 1000 /* of all lists together */
#define CREEL_MAX_CREDENTIALS 64
#define CREEL_MIN_MEMORY (G_GUINT64_CONSTANT (128) << 20)
#define CREEL_MIN_DISK (G_GUINT64_CONSTANT (256) << 20)

/* An empty one with the defaults: 2 GiB, 2 CPUs, 20 GiB of disk, no preset, deny. */
CreelDefinition *creel_definition_new (const char *name);
void creel_definition_free (CreelDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelDefinition, creel_definition_free)

/* Reads all drop-ins and the administrator's ceilings of policy and limits. CREEL_ERROR_NO_SUCH_SANDBOX when none has the section. */
CreelDefinition *creel_definition_load (const char *name, GError **error);
/* Reads only the file that creeld wrote (50-definition.conf), for editing it without folding hand edits in. */
CreelDefinition *creel_definition_load_own (const char *name, GError **error);
/* Parses one text as load_own does; `origin` is for messages. Fuzzed. */
CreelDefinition *creel_definition_parse (const char *name, const char *text, gssize length, const char *origin,
                                         GError **error);
/* The text of 50-definition.conf. parse (format (d)) gives d. */
char *creel_definition_format (const CreelDefinition *definition);
/* What can be checked without looking at the machine: contradictions, limits, rule syntax. */
gboolean creel_definition_validate (const CreelDefinition *definition, GError **error);
/* Where creeld keeps it, below $CREEL_ROOT; owned by the caller. */
char *creel_definition_path (const char *name, gboolean ephemeral);
/* Decimal, from 0 to max; else CREEL_ERROR_BAD_DEFINITION. */
gboolean creel_number_parse (const char *value, guint64 max, guint64 *ret, GError **error);
/* Bytes, or with suffix K, M, G, T (powers of 1024). */
gboolean creel_size_parse (const char *value, guint64 *ret, GError **error);
/* Names that have a definition, /etc and /run; owned by the caller. */
char **creel_definition_list (void);
/* Only what it publishes, whatever else is wrong with it, for who makes units of it; an entry that cannot be read is
 * left out. Empty when there is none; owned by the caller. */
char **creel_definition_load_publish (const char *name);
/* A credential by name: the definition's own first, then the files. */
CreelCredential *creel_definition_find_credential (const CreelDefinition *definition, const char *name, GError **error);

/* What an agent brings, from /etc/creel/agents.d/NAME.conf or the package's: section [Agent], keys Image=, Command=,
 * Credential=, Allow=, Environment= (lists), MinimumMemory=, Description=. */
typedef struct
{
  char *name;
  char *description;
  char *image;
  char **command;
  char **credentials;
  char **allow;
  char **environment;
  guint64 minimum_memory;
} CreelAgentType;
void creel_agent_type_free (CreelAgentType *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelAgentType, creel_agent_type_free)
/* G_DBUS_ERROR_INVALID_ARGS when there is none of this name, CREEL_ERROR_BAD_DEFINITION when its file is broken. */
CreelAgentType *creel_agent_type_load (const char *name, GError **error);
char **creel_agent_type_list (void);

/* RFC 1123 label, lower case, 1..63 bytes: the name is unit instance, libvirt domain, host name of the guest. */
gboolean creel_sandbox_name_is_valid (const char *name);
/* As above, with an error that says what is wrong (G_DBUS_ERROR_INVALID_ARGS). */
gboolean creel_sandbox_name_check (const char *name, GError **error);

/* Image configuration as the image store keeps it: CREEL_IMAGE_DIR/ID/image.conf beside rootfs.squashfs. */
typedef struct
{
  char *id;            /* sha256-<64 hex> */
  char **references;
  char **environment;
  char **entrypoint;
  char **command;
  char *user;
  char *working_dir;
  char *architecture;
  guint64 size;        /* bytes of the squashfs */
  gint64 created;      /* usec */
  char *source;        /* "import: FILE", "build: shell" */
  char *manifest;      /* hex digest of its OCI manifest in the OCI store, or NULL: it has no blobs there */
  char **blobs;        /* "HEX SIZE": what it needs in the OCI store, its manifest too */
} CreelImageConfig;
void creel_image_config_free (CreelImageConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageConfig, creel_image_config_free)
CreelImageConfig *creel_image_config_load (const char *id, GError **error);
gboolean creel_image_id_is_valid (const char *id);
gboolean creel_image_blob_is_valid (const char *blob); /* "HEX SIZE" */
/* Name (with host, tag, digest, as creel-reference has it), id or unique prefix of one to id, by CREEL_IMAGE_DIR/references.conf. */
char *creel_image_resolve (const char *text, GError **error);
/* The key of `references` that a name means, or NULL. Owned by the caller. */
char *creel_image_find_name (GHashTable *references, const char *text);
/* "name" to "name:latest"; NULL with G_DBUS_ERROR_INVALID_ARGS when it is none. */
char *creel_image_reference_normalize (const char *text, GError **error);
/* Reference to id, all of references.conf; owned by the caller. A missing file is an empty table. */
GHashTable *creel_image_references_load (GError **error);
/* The text of image.conf; strings that are not UTF-8 are an error. */
char *creel_image_config_format (const CreelImageConfig *config, GError **error);
