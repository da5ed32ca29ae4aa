/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a GGUF file says about itself. Only its header is read: metadata and the list of tensors. */
#pragma once

#include <gio/gio.h>

typedef struct
{
  guint version;
  guint64 n_tensors;
  char *architecture;       /* "llama"; "" when the file does not say */
  char *type;               /* general.type: "model", "adapter", "mmproj", or "" */
  const char *quantization; /* "Q4_K_M", "" when unknown */
  guint64 parameters;       /* elements of all tensors */
  guint64 context_length;   /* 0: unknown, as for the next three */
  guint64 layers;
  guint64 kv_bytes_per_token;    /* keys and values of 16 bit, over all layers */
  guint64 split_count, split_no; /* of a model in parts; split_no counts from 0 */
  gboolean has_chat_template, embedding;
} CreelGguf;

/* Versions 2 and 3, little endian. fd: a regular file of that size, read with pread (). BadImage
 * for anything else, and for a file that ends before its tensors do. */
CreelGguf *creel_gguf_read (int fd, guint64 size, GError **error);
void creel_gguf_free (CreelGguf *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelGguf, creel_gguf_free)

/* Whether it is no model but what makes images into tokens for one. */
gboolean creel_gguf_is_projector (const CreelGguf *self);
/* "8.03 B", "596.05 M", "" for 0. */
char *creel_gguf_format_parameters (guint64 parameters);
