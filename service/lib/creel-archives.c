/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-archives.h"

#include <string.h>

#include "creel-root.h"
#include "creel-rule.h"

#define FILE_MAX_BYTES (1024 * 1024)
/* pip reads one after the other; `pip config debug` lists them. A user's own XDG_CONFIG_DIRS is nothing that a service could know. */
#define XDG_PIP_CONF "/etc/xdg/pip/pip.conf"
#define PIP_CONF "/etc/pip.conf"

/* What a program reads in its configuration, of which a later file goes before an earlier, and where it goes when they say nothing. */
typedef struct
{
  const char *files[2], *section, *key, *name; /* name: of the variable that says the same */
  gboolean urls;
  const char *defaults[2];
} Setting;
static const Setting settings[] = {
  { { "/etc/npmrc" }, "", "registry", "NPM_CONFIG_REGISTRY", TRUE, { "https://registry.npmjs.org" } },
  { { XDG_PIP_CONF, PIP_CONF }, "[global]", "index-url", "PIP_INDEX_URL", TRUE, { "https://pypi.org", "https://files.pythonhosted.org" } },
  { { XDG_PIP_CONF, PIP_CONF }, "[global]", "extra-index-url", "PIP_EXTRA_INDEX_URL", TRUE, { NULL } },
  { { XDG_PIP_CONF, PIP_CONF }, "[global]", "trusted-host", "PIP_TRUSTED_HOST", FALSE, { NULL } },
};

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

/* pip takes "-" and "_", "=" and ":" */
static gboolean
is_about (const char *line, const char *key)
{
  for (; *key != '\0'; line++, key++)
    if ((*line == '_' ? '-' : g_ascii_tolower (*line)) != *key)
      return FALSE;
  line += strspn (line, " \t");
  return *line == '=' || *line == ':';
}

/* FALSE when the file cannot be read; one that is not there says nothing. ret_named: it says something, perhaps in a section or a way
 * that is not for us. */
static gboolean
read_file (const Setting *setting, const char *file, char **ret_value, gboolean *ret_named)
{
  g_autofree char *path = creel_root_path (file);
  g_autofree char *section = g_strdup ("");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &error))
    return g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  if (length > FILE_MAX_BYTES || !g_utf8_validate (text, -1, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      char *equals = strchr (*line, '=');

      g_strstrip (*line);
      *ret_named |= is_about (*line, setting->key);
      if (**line == '[')
        {
          g_free (section);
          section = g_strdup (*line);
        }
      if (**line == '#' || **line == ';' || **line == '[' || equals == NULL || !g_str_equal (section, setting->section))
        continue;
      *equals = '\0';
      if (g_ascii_strcasecmp (g_strchomp (*line), setting->key) != 0)
        continue;
      g_free (*ret_value);
      *ret_value = g_strdup (g_strstrip (equals + 1));
    }
  return TRUE;
}

static gboolean
read_setting (const Setting *setting, char **ret_value, gboolean *ret_named)
{
  gboolean read = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (setting->files) && setting->files[i] != NULL; i++)
    read = read_file (setting, setting->files[i], ret_value, ret_named) && read;
  return read;
}

void
creel_archives_add_rules (CreelPolicy *policy)
{
  static const char *const files[] = { "/etc/apt/sources.list", "/etc/npmrc", XDG_PIP_CONF, PIP_CONF };
  g_autofree char *directory = creel_root_path ("/etc/apt/sources.list.d");
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = creel_root_path (files[i]);

      add_file (policy, path);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autofree char *value = NULL;
      gboolean named = FALSE;

      if (read_setting (&settings[i], &value, &named) && !named)
        for (gsize j = 0; j < G_N_ELEMENTS (settings[i].defaults) && settings[i].defaults[j] != NULL; j++)
          add_url (policy, settings[i].defaults[j], "the program's default");
    }
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (g_str_has_suffix (name, ".list") || g_str_has_suffix (name, ".sources"))
        add_file (policy, path);
    }
}

/* The address alone, without a user and password in it; NULL when it is none. */
static char *
clean_url (const char *value)
{
  gboolean tls = g_str_has_prefix (value, "https://");
  const char *authority, *at;
  gsize length;

  if (!tls && !g_str_has_prefix (value, "http://"))
    return NULL;
  authority = value + strlen (tls ? "https://" : "http://");
  length = strcspn (authority, "/?#");
  at = memrchr (authority, '@', length);
  if (at != NULL)
    authority = at + 1;
  for (const char *p = authority; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p) || *p == '"' || *p == '\'')
      return NULL;
  return *authority != '\0' ? g_strconcat (tls ? "https://" : "http://", authority, NULL) : NULL;
}

/* Several addresses may stand behind each other, as pip has them. */
static void
add_variable (GStrvBuilder *environment, const char *name, const char *value, gboolean urls)
{
  g_auto (GStrv) words = g_strsplit_set (value, " \t", -1);
  g_autoptr (GString) pair = g_string_new (name);
  gsize before;

  g_string_append_c (pair, '=');
  before = pair->len;
  for (char **word = words; *word != NULL; word++)
    {
      g_autofree char *clean = urls ? clean_url (*word) : g_strdup (*word);

      if (clean == NULL || *clean == '\0')
        continue;
      if (pair->len > before)
        g_string_append_c (pair, ' ');
      g_string_append (pair, clean);
    }
  if (pair->len > before)
    g_strv_builder_add (environment, pair->str);
}

char **
creel_archives_environment (void)
{
  g_autoptr (GStrvBuilder) environment = g_strv_builder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autofree char *value = NULL;
      gboolean named = FALSE;

      if (read_setting (&settings[i], &value, &named) && value != NULL)
        add_variable (environment, settings[i].name, value, settings[i].urls);
    }
  return g_strv_builder_end (environment);
}
