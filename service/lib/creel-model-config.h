/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model store knows of a model: CREEL_MODEL_DIR/ID/model.conf. Its bytes are blobs of the OCI store. */
#pragma once

#include <gio/gio.h>

#define CREEL_MODEL_FORMAT_GGUF "gguf"
#define CREEL_MODEL_MAX_FILES 512

typedef struct
{
  char *kind; /* "gguf", "mmproj", "chat-template", "license", "config", "other" */
  char *blob; /* 64 hex digits */
  guint64 size;
  char *name; /* one path component; no two files of a model have the same */
} CreelModelFile;

typedef struct
{
  char *id;       /* sha256-<64 hex>: of its manifest, as the registry sent it */
  char *manifest; /* the same 64 hex digits: a blob too */
  char **blobs;   /* "HEX SIZE": what it needs in the OCI store, its manifest too */
  char *format;   /* "gguf" */
  char *architecture;       /* "llama", "" when nothing says */
  char *parameters;         /* "8.03 B", "" */
  char *quantization;       /* "Q4_K_M", "" */
  guint64 size;             /* bytes of all weights: the files of kind gguf and mmproj */
  guint64 context_length;   /* that it was trained with; 0: not known */
  guint64 layers;           /* 0: not known */
  guint64 kv_bytes_per_token; /* keys and values of one token, 16 bit, over all layers; 0: not known */
  gboolean has_chat_template; /* in the GGUF or as a file of its own */
  gboolean embedding;       /* makes vectors, not text */
  gint64 created;           /* usec */
  char *source;             /* "pull: REFERENCE", "import: FILE", "" */
  GPtrArray *files;         /* of CreelModelFile. The parts of a split GGUF are in order, NAME-00001-of-0000N.gguf */
} CreelModelConfig;

/* Empty: strings "", no files. */
CreelModelConfig *creel_model_config_new (void);
void creel_model_config_free (CreelModelConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelConfig, creel_model_config_free)

/* Appends a file; FALSE, without it, when kind, digest, size or name are not valid, the name is taken or there are
 * too many. */
gboolean creel_model_config_add_file (CreelModelConfig *config, const char *kind, const char *blob, guint64 size,
                                      const char *name);
/* The first file of a kind, or NULL. */
const CreelModelFile *creel_model_config_find_file (const CreelModelConfig *config, const char *kind);
/* Sets a value by its key in a line of a worker ("context-length"); FALSE when there is no such key or the value is
 * not valid for it. The text is UTF-8. */
gboolean creel_model_config_set (CreelModelConfig *config, const char *key, const char *value);

/* Whether everything fits together: id and manifest, each file is a blob of its size, at least one GGUF, parts of a
 * split one in order and complete, the size is the sum. CREEL_ERROR_BAD_IMAGE says what does not. */
gboolean creel_model_config_validate (const CreelModelConfig *config, GError **error);

/* The text of model.conf, and back; what is parsed is valid. CREEL_ERROR_BAD_IMAGE. */
char *creel_model_config_format (const CreelModelConfig *config);
CreelModelConfig *creel_model_config_parse (const char *text, gssize length, GError **error);
/* By its id, which is the caller's input; CREEL_ERROR_NO_SUCH_IMAGE when it is not there or is no id. */
CreelModelConfig *creel_model_config_load (const char *id, GError **error);
/* Writes CREEL_MODEL_DIR/ID/model.conf, whole or not at all; the directory is made. */
gboolean creel_model_config_save (const CreelModelConfig *config, GError **error);

gboolean creel_model_file_name_is_valid (const char *name);
gboolean creel_model_file_kind_is_valid (const char *kind);
