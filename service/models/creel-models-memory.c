/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-memory.h"

#include <string.h>

#include "creel-names.h"


#define MIB (G_GUINT64_CONSTANT (1024) * 1024)
#define RESERVE_MIN (128 * MIB)
#define RESERVE_MAX (2048 * MIB)
#define HEADROOM (512 * MIB)

/* the number after NAME and what separates it, at the beginning of a line */
static guint64
find_number (const char *text, const char *name, const char *separators)
{
  gsize length = strlen (name);

  for (const char *line = text; *line != '\0';)
    {
      const char *end = strchr (line, '\n');

      if (g_str_has_prefix (line, name) && line[length] != '\0' && strchr (separators, line[length]) != NULL)
        return g_ascii_strtoull (line + length + strspn (line + length, ": \t"), NULL, 10);
      if (end == NULL)
        break;
      line = end + 1;
    }
  return 0;
}

guint64
creel_models_memory_parse (const char *text, const char *name)
{
  guint64 kib = find_number (text, name, ":");

  return kib < G_MAXUINT64 / 1024 ? kib * 1024 : 0;
}

/* Weights are mapped from their file: pages of the cache, which count as available. */
guint64
creel_models_memory_parse_stat (const char *text)
{
  return find_number (text, "anon", " ") + find_number (text, "shmem", " ");
}

gboolean
creel_models_memory_read (guint64 *ret_total, guint64 *ret_available)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
    return FALSE;
  *ret_total = creel_models_memory_parse (text, "MemTotal");
  *ret_available = creel_models_memory_parse (text, "MemAvailable");
  return *ret_total > 0;
}

gboolean
creel_models_memory_read_unit (const char *unit, guint64 *ret_size)
{
  g_autofree char *path = g_strconcat ("/sys/fs/cgroup/system.slice/" CREEL_ENGINE_SLICE "/", unit, "/memory.stat", NULL), *text = NULL;

  if (strchr (unit, '/') != NULL || !g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  *ret_size = creel_models_memory_parse_stat (text);
  return TRUE;
}

guint64
creel_models_memory_get_capacity (guint64 total, guint64 available, guint64 held, guint64 maximum)
{
  guint64 reserve = CLAMP (total / 16, RESERVE_MIN, RESERVE_MAX);
  guint64 sum = MIN (available > G_MAXUINT64 - held ? G_MAXUINT64 : available + held, total);

  return MIN (sum > reserve ? sum - reserve : 0, maximum);
}

guint64
creel_models_memory_get_limit (guint64 need)
{
  return need > G_MAXUINT64 / 2 ? G_MAXUINT64 : need + need / 4 + HEADROOM;
}
