/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

#include <stdarg.h>
#include <string.h>

#include "creel-conf.h"
#include "creel-credential.h"
#include "creel-error.h"

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, format, args));
  va_end (args);
  return FALSE;
}

static gboolean
check_list (const char *key, char **values, guint max, GError **error)
{
  if (g_strv_length (values) > max)
    return fail (error, "Too many %s= lines, %u are allowed", key, max);
  for (; *values != NULL; values++)
    if (!creel_conf_value_is_safe (*values))
      return fail (error, "A value of %s= is empty, too long, or has line breaks or white space at its ends", key);
  return TRUE;
}

static gboolean
is_below (const char *path, const char *above)
{
  return g_str_has_prefix (path, above) && (path[strlen (above)] == '/' || path[strlen (above)] == '\0');
}

static gboolean
check_workspaces (const CreelDefinition *d, GError **error)
{
  if (d->workspaces->len > CREEL_MAX_WORKSPACES)
    return fail (error, "Too many workspaces, %d are allowed", CREEL_MAX_WORKSPACES);
  for (guint i = 0; i < d->workspaces->len; i++)
    {
      const CreelWorkspace *a = d->workspaces->pdata[i];
      g_autofree char *canonical = NULL;

      if (!creel_conf_value_is_safe (a->path) || strlen (a->path) >= 4096)
        return fail (error, "The path of a workspace is empty, too long, or has bytes that it may not have");
      if (a->path[0] != '/')
        return fail (error, "Workspace %s is not an absolute path", a->path);
      canonical = g_canonicalize_filename (a->path, NULL);
      if (g_str_equal (canonical, "/"))
        return fail (error, "/ cannot be a workspace: name the folder that the sandbox shall see");
      if (!g_str_equal (canonical, a->path))
        return fail (error, "Workspace %s must be written %s", a->path, canonical);
      if (g_str_has_suffix (a->path, ":ro"))
        return fail (error, "Workspace %s: a path cannot end in \":ro\"", a->path);
      for (guint j = 0; j < i; j++)
        {
          const CreelWorkspace *b = d->workspaces->pdata[j];

          if (g_str_equal (a->path, b->path))
            return fail (error, "Workspace %s is named twice", a->path);
          /* the outer one would show on the writable side what the inner one protects */
          if (a->read_only != b->read_only && ((a->read_only && is_below (a->path, b->path)) ||
                                               (b->read_only && is_below (b->path, a->path))))
            return fail (error, "Workspaces %s and %s contradict: a read-only one lies in a writable one", b->path, a->path);
        }
    }
  return TRUE;
}

static gboolean
check_environment (const CreelDefinition *d, GError **error)
{
  if (!check_list ("Environment", d->environment, CREEL_MAX_ENVIRONMENT, error))
    return FALSE;
  for (char **entry = d->environment; *entry != NULL; entry++)
    if (!creel_environment_is_valid (*entry))
      {
        g_autofree char *key = g_strndup (*entry, strcspn (*entry, "="));

        /* the value may be private: only the key is shown */
        return fail (error, "Environment=%.64s... is not KEY=VALUE", key);
      }
  return TRUE;
}

static gboolean
check_command (const CreelDefinition *d, GError **error)
{
  gsize total = 0;

  for (char **word = d->command; *word != NULL; word++)
    {
      total += strlen (*word) * 4 + 3;
      if (!g_utf8_validate (*word, -1, NULL) || strpbrk (*word, "\n\r") != NULL)
        return fail (error, "A word of Command= has a line break or is not UTF-8");
      for (const char *p = *word; *p != '\0'; p++)
        if (((guchar) *p < 0x20 && *p != '\t') || *p == 0x7f)
          return fail (error, "A word of Command= has a control byte");
    }
  return total <= 32 * 1024 || fail (error, "Command= is too long");
}

static gboolean
check_rules (const CreelDefinition *d, GError **error)
{
  const struct
  {
    const char *key;
    char **rules;
    CreelVerdict verdict;
  } lists[] = {
    { "Allow", d->allow, CREEL_VERDICT_ALLOW },
    { "Ask", d->ask, CREEL_VERDICT_ASK },
    { "Deny", d->deny, CREEL_VERDICT_DENY },
    { "Approved", d->approved, CREEL_VERDICT_ALLOW },
  };
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (g_strv_length (d->allow) + g_strv_length (d->approved) + g_strv_length (d->ask) + g_strv_length (d->deny) > CREEL_MAX_RULES)
    return fail (error, "Too many rules, %d are allowed", CREEL_MAX_RULES);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      if (!check_list (lists[i].key, lists[i].rules, CREEL_MAX_RULES, error))
        return FALSE;
      for (char **rule = lists[i].rules; *rule != NULL; rule++)
        {
          const char *other = g_hash_table_lookup (seen, *rule);
          g_autoptr (GError) local_error = NULL;
          g_autoptr (CreelRule) parsed = creel_rule_parse (lists[i].verdict, *rule, "", &local_error);

          if (parsed == NULL)
            return fail (error, "%s=%s: %s", lists[i].key, *rule, local_error->message);
          /* what was approved goes with the rule that asked */
          if (other != NULL && other != lists[i].key && (lists[i].rules != d->approved || g_str_equal (other, "Deny")))
            return fail (error, "%s=%s contradicts %s=%s", lists[i].key, *rule, other, *rule);
          g_hash_table_insert (seen, *rule, (gpointer) lists[i].key);
        }
    }
  return TRUE;
}

/* A bypassed host is never intercepted, a credential needs that: one of the two is a mistake. */
static gboolean
check_bypass (const CreelDefinition *d, GError **error)
{
  if (!check_list ("Bypass", d->bypass, CREEL_MAX_RULES, error))
    return FALSE;
  for (char **bypass = d->bypass; *bypass != NULL; bypass++)
    {
      guint16 port;
      g_autoptr (GError) local_error = NULL;
      g_autoptr (CreelHost) host = creel_host_parse_authority (*bypass, -1, 443, &port, &local_error);

      if (host == NULL)
        return fail (error, "Bypass=%s: %s", *bypass, local_error->message);
      for (char **name = d->credentials; *name != NULL; name++)
        {
          g_autoptr (CreelCredential) credential = creel_definition_find_credential (d, *name, NULL);

          for (char **other = credential != NULL ? credential->hosts : NULL; other != NULL && *other != NULL; other++)
            {
              guint16 other_port;
              g_autoptr (CreelHost) parsed = creel_host_parse_authority (*other, -1, 443, &other_port, NULL);

              if (parsed != NULL && port == other_port && creel_host_equal (host, parsed))
                return fail (error, "Bypass=%s contradicts Credential=%s, which must be put into requests to that host",
                             *bypass, *name);
            }
        }
    }
  return TRUE;
}

static gboolean
check_credentials (const CreelDefinition *d, GError **error)
{
  if (!check_list ("Credential", d->credentials, CREEL_MAX_CREDENTIALS, error))
    return FALSE;
  for (char **name = d->credentials; *name != NULL; name++)
    {
      if (!creel_credential_name_is_valid (*name))
        return fail (error, "Credential=%.64s cannot be the name of a credential", *name);
      for (char **other = d->credentials; other < name; other++)
        if (g_str_equal (*other, *name))
          return fail (error, "Credential=%s is named twice", *name);
    }
  return TRUE;
}

static gboolean
check_publish (const CreelDefinition *d, GError **error)
{
  g_autoptr (GPtrArray) seen = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_publish_free);

  if (!check_list ("Publish", d->publish, CREEL_MAX_PUBLISH, error))
    return FALSE;
  for (char **entry = d->publish; *entry != NULL; entry++)
    {
      g_autoptr (GError) local_error = NULL;
      CreelPublish *publish = creel_publish_parse (*entry, &local_error);

      if (publish == NULL)
        return fail (error, "Publish=: %s", local_error->message);
      g_ptr_array_add (seen, publish);
      for (guint i = 0; i + 1 < seen->len; i++)
        if (creel_publish_overlaps (seen->pdata[i], publish))
          return fail (error, "Publish=%s and Publish=%s want the same port", d->publish[i], *entry);
    }
  return TRUE;
}

gboolean
creel_definition_validate (const CreelDefinition *d, GError **error)
{
  if (!creel_sandbox_name_check (d->name, error))
    return FALSE;
  if (d->image == NULL)
    return fail (error, "Image= is missing");
  if (!creel_conf_value_is_safe (d->image) || strlen (d->image) > 512)
    return fail (error, "Image= is too long or has bytes that it may not have");
  if (d->image_id != NULL && !creel_image_id_is_valid (d->image_id))
    return fail (error, "ImageID= must be sha256- and 64 hexadecimal digits");
  if (d->agent != NULL && !creel_credential_name_is_valid (d->agent))
    return fail (error, "Agent= may have letters, digits, \"-\", \"_\" and \".\" only");
  if (d->memory < CREEL_MIN_MEMORY || d->memory > G_GUINT64_CONSTANT (1) << 46)
    return fail (error, "Memory=%" G_GUINT64_FORMAT " is out of range: at least 128M", d->memory);
  if (d->cpus < 1 || d->cpus > 512)
    return fail (error, "CPUs=%u is out of range: 1 to 512", d->cpus);
  if (d->disk < CREEL_MIN_DISK || d->disk > G_GUINT64_CONSTANT (1) << 46)
    return fail (error, "Disk=%" G_GUINT64_FORMAT " is out of range: 256M to 64T", d->disk);
  if (d->start_timeout < 1 || d->start_timeout > 24 * 3600)
    return fail (error, "StartTimeoutSec=%u is out of range: 1 to 86400", d->start_timeout);
  if (d->ask_timeout < 1 || d->ask_timeout > 1800)
    return fail (error, "AskTimeoutSec=%u is out of range: 1 to 1800", d->ask_timeout);
  if (!creel_limits_validate (&d->limits, error))
    return FALSE;
  if (d->preset != NULL)
    {
      g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
      g_autoptr (GError) local_error = NULL;

      if (!creel_conf_value_is_safe (d->preset) || !creel_policy_add_preset (policy, d->preset, &local_error))
        return fail (error, "Preset=%s: %s", d->preset,
                     local_error != NULL ? local_error->message : "it must be locked, balanced or open");
      if (g_str_equal (d->preset, "locked") && d->default_verdict == CREEL_VERDICT_ALLOW)
        return fail (error, "Preset=locked contradicts Policy=allow");
    }
  return check_workspaces (d, error) && check_environment (d, error) && check_command (d, error) &&
         check_rules (d, error) && check_credentials (d, error) && check_bypass (d, error) && check_publish (d, error);
}
