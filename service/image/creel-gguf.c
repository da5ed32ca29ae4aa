/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes are a stranger's: every count is bounded before it is used, and memory does not grow
 * with what the file claims. Strings and arrays that nobody asks for are passed over. */
#include "creel-gguf.h"
#include "creel-error.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define MAX_HEADER (G_GUINT64_CONSTANT (512) << 20)
#define MAX_ENTRIES 65536
#define MAX_TENSORS (1 << 20)
#define MAX_KEY 1024
#define MAX_WORD 64
#define MAX_DEPTH 4
#define MAX_DIMENSIONS 8
#define MAX_PER_LAYER 65536
#define N_TYPES 48
#define UNKNOWN G_MAXUINT64

enum
{
  UINT8,
  INT8,
  UINT16,
  INT16,
  UINT32,
  INT32,
  FLOAT32,
  BOOL,
  STRING,
  ARRAY,
  UINT64,
  INT64,
  FLOAT64,
  N_KINDS
};

typedef struct
{
  int fd;
  guint64 size;     /* as far as a header may reach */
  guint64 position; /* of the next byte */
  guint64 file_size;
  guint8 *buffer;
  gsize used, length;
  gboolean broken; /* beyond the end, or a count that cannot be */

  GHashTable *numbers; /* key to guint64: integers, and the sums of arrays of them as "KEY[]" */
  CreelGguf *result;
  guint64 alignment;
  guint64 elements[N_TYPES];
  guint64 last_offset;
} Reader;

/* ---- bytes ---- */

static gboolean
fill (Reader *self)
{
  gssize n;

  do
    n = pread (self->fd, self->buffer, MIN (BLOCK, self->size - self->position), self->position);
  while (n < 0 && errno == EINTR);
  self->used = 0;
  self->length = MAX (n, 0);
  return n > 0;
}

static void
read_bytes (Reader *self, void *target, gsize length)
{
  guint8 *to = target;

  while (length > 0 && !self->broken)
    {
      gsize n;

      if (self->used == self->length && (self->position >= self->size || !fill (self)))
        {
          self->broken = TRUE;
          break;
        }
      n = MIN (length, self->length - self->used);
      memcpy (to, self->buffer + self->used, n);
      to += n;
      length -= n;
      self->used += n;
      self->position += n;
    }
  memset (to, 0, length);
}

static void
skip (Reader *self, guint64 length)
{
  guint64 left = self->length - self->used;

  if (length > self->size - self->position)
    {
      self->broken = TRUE;
      return;
    }
  self->position += length;
  if (length <= left)
    self->used += length;
  else
    self->used = self->length = 0;
}

static guint64
read_number (Reader *self, gsize width)
{
  guint8 bytes[8] = { 0 };
  guint64 value = 0;

  read_bytes (self, bytes, width);
  for (gsize i = width; i > 0; i--)
    value = value << 8 | bytes[i - 1];
  return value;
}

/* NULL when it is longer than max, which breaks nothing. */
static char *
read_string (Reader *self, gsize max)
{
  guint64 length = read_number (self, 8);
  char *text;

  if (length > max)
    {
      skip (self, length);
      return NULL;
    }
  text = g_malloc0 (length + 1);
  read_bytes (self, text, length);
  return text;
}

/* ---- metadata ---- */

static gsize
width_of (guint32 kind)
{
  static const guint8 widths[N_KINDS] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

  return kind < N_KINDS ? widths[kind] : 0;
}

static gboolean
is_integer (guint32 kind)
{
  return width_of (kind) > 0 && kind != FLOAT32 && kind != FLOAT64;
}

static void
note (Reader *self, const char *key, const char *suffix, guint64 value)
{
  guint64 *copy = g_new (guint64, 1);

  *copy = value;
  g_hash_table_replace (self->numbers, g_strconcat (key, suffix, NULL), copy);
}

static void
skip_array (Reader *self, guint depth)
{
  guint32 kind = read_number (self, 4);
  guint64 n = read_number (self, 8);
  gsize width = width_of (kind);

  /* Even an empty string takes eight bytes, so n is bounded by the file. */
  if (depth > MAX_DEPTH || kind >= N_KINDS || n > (self->size - self->position) / MAX (width, 1))
    self->broken = TRUE;
  else if (width > 0)
    skip (self, n * width);
  else
    for (guint64 i = 0; i < n && !self->broken; i++)
      if (kind == STRING)
        skip (self, read_number (self, 8));
      else
        skip_array (self, depth + 1);
}

/* Heads of each layer come as an array in models whose layers differ. */
static void
read_array (Reader *self, const char *key)
{
  guint64 start = self->position, sum = 0;
  guint32 kind = read_number (self, 4);
  guint64 n = read_number (self, 8);

  if (key == NULL || !is_integer (kind) || n > MAX_PER_LAYER)
    {
      /* From its beginning again. */
      self->used = self->length = 0;
      self->position = start;
      skip_array (self, 1);
      return;
    }
  for (guint64 i = 0; i < n && !self->broken; i++)
    {
      guint64 value = read_number (self, width_of (kind));

      sum += MIN (value, G_MAXUINT32);
    }
  note (self, key, "[]", sum);
}

static void
set_word (char **word, char *text)
{
  if (text == NULL || !g_str_is_ascii (text))
    return;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return;
  g_free (*word);
  *word = g_strdup (text);
}

static void
read_entry (Reader *self)
{
  g_autofree char *key = read_string (self, MAX_KEY);
  guint32 kind = read_number (self, 4);
  g_autofree char *text = NULL;

  if (kind >= N_KINDS)
    self->broken = TRUE;
  else if (kind == STRING && g_strcmp0 (key, "tokenizer.chat_template") == 0)
    {
      skip (self, read_number (self, 8));
      self->result->has_chat_template = TRUE;
    }
  else if (kind == STRING)
    {
      text = read_string (self, MAX_WORD);
      if (g_strcmp0 (key, "general.architecture") == 0)
        set_word (&self->result->architecture, text);
      else if (g_strcmp0 (key, "general.type") == 0)
        set_word (&self->result->type, text);
    }
  else if (kind == ARRAY)
    read_array (self, key);
  else if (is_integer (kind) && key != NULL)
    note (self, key, "", read_number (self, width_of (kind)));
  else
    skip (self, width_of (kind));
}

static guint64
lookup (Reader *self, const char *prefix, const char *key)
{
  g_autofree char *name = g_strconcat (prefix, key, NULL);
  const guint64 *value = g_hash_table_lookup (self->numbers, name);

  return value != NULL ? *value : UNKNOWN;
}

static guint64
lookup_below (Reader *self, const char *key, guint64 max)
{
  g_autofree char *prefix = g_strconcat (self->result->architecture, ".", NULL);
  guint64 value = lookup (self, prefix, key);

  return value <= max ? value : UNKNOWN;
}

/* ---- tensors ---- */

static void
read_tensor (Reader *self)
{
  guint64 elements = 1;
  guint32 n_dimensions, type;
  guint64 offset;

  skip (self, read_number (self, 8));
  n_dimensions = read_number (self, 4);
  if (n_dimensions > MAX_DIMENSIONS)
    {
      self->broken = TRUE;
      return;
    }
  for (guint i = 0; i < n_dimensions; i++)
    if (!g_uint64_checked_mul (&elements, elements, read_number (self, 8)))
      self->broken = TRUE;
  type = read_number (self, 4);
  offset = read_number (self, 8);
  if (offset > self->file_size ||
      !g_uint64_checked_add (&self->result->parameters, self->result->parameters, elements))
    self->broken = TRUE;
  self->last_offset = MAX (self->last_offset, offset);
  if (type < N_TYPES)
    self->elements[type] += elements;
}

/* ---- what it means ---- */

static const char *
name_quantization (Reader *self)
{
  static const char *const files[] = {
    [0] = "F32",      [1] = "F16",      [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
    [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
    [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
    [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
    [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL", [26] = "IQ3_S",  [27] = "IQ3_M",
    [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",  [32] = "BF16",
    [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4",
  };
  static const char *const tensors[N_TYPES] = {
    [0] = "F32",     [1] = "F16",      [2] = "Q4_0",   [3] = "Q4_1",    [6] = "Q5_0",
    [7] = "Q5_1",    [8] = "Q8_0",     [9] = "Q8_1",   [10] = "Q2_K",   [11] = "Q3_K",
    [12] = "Q4_K",   [13] = "Q5_K",    [14] = "Q6_K",  [15] = "Q8_K",   [16] = "IQ2_XXS",
    [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S",
    [22] = "IQ2_S",  [23] = "IQ4_XS",  [29] = "IQ1_M", [30] = "BF16",   [34] = "TQ1_0",
    [35] = "TQ2_0",  [39] = "MXFP4",
  };
  guint64 file = lookup (self, "", "general.file_type");
  guint most = 0;

  if (file < G_N_ELEMENTS (files) && files[file] != NULL)
    return files[file];
  for (guint i = 1; i < N_TYPES; i++)
    if (self->elements[i] > self->elements[most])
      most = i;
  return self->elements[most] > 0 && tensors[most] != NULL ? tensors[most] : "";
}

static guint64
find_kv_bytes (Reader *self)
{
  guint64 layers = lookup_below (self, "block_count", MAX_PER_LAYER);
  guint64 width = lookup_below (self, "embedding_length", G_MAXUINT32);
  guint64 heads = lookup_below (self, "attention.head_count", G_MAXUINT32);
  guint64 kv_heads = lookup_below (self, "attention.head_count_kv", G_MAXUINT32);
  guint64 all = lookup_below (self, "attention.head_count_kv[]", UNKNOWN - 1); /* of all layers */
  guint64 key = lookup_below (self, "attention.key_length", G_MAXUINT16);
  guint64 value = lookup_below (self, "attention.value_length", G_MAXUINT16);
  guint64 bytes;

  if (heads != UNKNOWN && heads > 0 && width != UNKNOWN)
    {
      key = key != UNKNOWN ? key : width / heads;
      value = value != UNKNOWN ? value : width / heads;
    }
  if (all == UNKNOWN && layers != UNKNOWN && (kv_heads != UNKNOWN || heads != UNKNOWN))
    all = layers * (kv_heads != UNKNOWN ? kv_heads : heads);
  if (all == UNKNOWN || key == UNKNOWN || value == UNKNOWN ||
      !g_uint64_checked_mul (&bytes, all, 2 * (key + value)) || bytes >> 36 != 0)
    return 0;
  return bytes;
}

static void
conclude (Reader *self)
{
  CreelGguf *result = self->result;
  guint64 pooling = lookup_below (self, "pooling_type", 16);
  guint64 value;

  value = lookup_below (self, "context_length", G_MAXUINT32);
  result->context_length = value != UNKNOWN ? value : 0;
  value = lookup_below (self, "block_count", MAX_PER_LAYER);
  result->layers = value != UNKNOWN ? value : 0;
  value = lookup (self, "", "split.count");
  result->split_count = value <= G_MAXUINT16 ? value : 0;
  value = lookup (self, "", "split.no");
  result->split_no = value <= G_MAXUINT16 ? value : 0;
  result->embedding = pooling != UNKNOWN && pooling != 0;
  result->kv_bytes_per_token = find_kv_bytes (self);
  result->quantization = name_quantization (self);
}

static gboolean
read_all (Reader *self, GError **error)
{
  char magic[4];
  guint64 n_entries, start;

  read_bytes (self, magic, sizeof magic);
  self->result->version = read_number (self, 4);
  if (self->broken || memcmp (magic, "GGUF", 4) != 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "This is not a GGUF file");
      return FALSE;
    }
  if (self->result->version != 2 && self->result->version != 3)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "This GGUF file is of a version that is not known (2 and 3 are), or for "
                   "processors of the other byte order; convert it again");
      return FALSE;
    }
  self->result->n_tensors = read_number (self, 8);
  n_entries = read_number (self, 8);
  if (n_entries > MAX_ENTRIES || self->result->n_tensors > MAX_TENSORS)
    self->broken = TRUE;
  for (guint64 i = 0; i < n_entries && !self->broken; i++)
    read_entry (self);
  for (guint64 i = 0; i < self->result->n_tensors && !self->broken; i++)
    read_tensor (self);
  self->alignment = lookup (self, "", "general.alignment");
  if (self->alignment == UNKNOWN || self->alignment == 0 || self->alignment > BLOCK)
    self->alignment = 32;
  start = (self->position + self->alignment - 1) / self->alignment * self->alignment;
  if (!self->broken && (self->result->n_tensors == 0 || start + self->last_offset < self->file_size))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The GGUF file is damaged, or a part of it is missing; download it again");
  return FALSE;
}

CreelGguf *
creel_gguf_read (int fd, guint64 size, GError **error)
{
  g_autoptr (CreelGguf) result = g_new0 (CreelGguf, 1);
  g_autoptr (GHashTable) numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  Reader self = { .fd = fd,
                  .size = MIN (size, MAX_HEADER),
                  .file_size = size,
                  .buffer = buffer,
                  .numbers = numbers,
                  .result = result };

  result->architecture = g_strdup ("");
  result->type = g_strdup ("");
  if (!read_all (&self, error))
    return NULL;
  conclude (&self);
  return g_steal_pointer (&result);
}

void
creel_gguf_free (CreelGguf *self)
{
  g_free (self->architecture);
  g_free (self->type);
  g_free (self);
}

gboolean
creel_gguf_is_projector (const CreelGguf *self)
{
  return g_str_equal (self->architecture, "clip") || g_str_equal (self->type, "mmproj");
}

char *
creel_gguf_format_parameters (guint64 parameters)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  gdouble value = parameters;
  const char *unit = "";

  if (parameters == 0)
    return g_strdup ("");
  if (parameters >= 1000000000)
    {
      value /= 1e9;
      unit = " B";
    }
  else if (parameters >= 1000000)
    {
      value /= 1e6;
      unit = " M";
    }
  else if (parameters >= 1000)
    {
      value /= 1e3;
      unit = " K";
    }
  return g_strconcat (
      g_ascii_formatd (number, sizeof number, *unit != '\0' ? "%.2f" : "%.0f", value), unit, NULL);
}
