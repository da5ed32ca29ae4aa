/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-archives.h"

#include <string.h>

#include "creel-root.h"
#include "creel-rule.h"

#define FILE_MAX_BYTES (1024 * 1024)

static void
add_url (CreelPolicy *policy, const char *url, const char *origin)
{
  gboolean tls = g_str_has_prefix (url, "https://");
  const char *authority = url + strlen (tls ? "https://" : "http://");
  gsize length = strcspn (authority, "/ \t\r\n\"'?#");
  const char *at = memrchr (authority, '@', length);
  g_autoptr (CreelHost) host = NULL;
  CreelRule *rule;
  guint16 port;

  if (at != NULL)
    {
      length -= (gsize) (at + 1 - authority);
      authority = at + 1;
    }
  host = creel_host_parse_authority (authority, (gssize) length, tls ? 443 : 80, &port, NULL);
  if (host == NULL || creel_host_get_address (host) != NULL || creel_rule_is_localhost_name (host))
    return;
  g_autofree char *text = g_strdup_printf ("%s:%u GET,HEAD", creel_host_get_text (host), port);
  rule = creel_rule_parse (CREEL_VERDICT_ALLOW, text, origin, NULL);
  if (rule != NULL)
    creel_policy_take_rule (policy, rule);
}

static void
add_file (CreelPolicy *policy, const char *path)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, NULL) || length > FILE_MAX_BYTES)
    return;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      const char *at = g_strchug (*line);

      if (*at == '#' || *at == ';')
        continue;
      while ((at = strstr (at, "http")) != NULL)
        {
          if (g_str_has_prefix (at, "http://") || g_str_has_prefix (at, "https://"))
            add_url (policy, at, path);
          at += strlen ("http");
        }
    }
}

void
creel_archives_add_rules (CreelPolicy *policy)
{
  static const char *const files[] = { "/etc/apt/sources.list", "/etc/npmrc", "/etc/pip.conf" };
  g_autofree char *directory = creel_root_path ("/etc/apt/sources.list.d");
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = creel_root_path (files[i]);

      add_file (policy, path);
    }
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (g_str_has_suffix (name, ".list") || g_str_has_suffix (name, ".sources"))
        add_file (policy, path);
    }
}
