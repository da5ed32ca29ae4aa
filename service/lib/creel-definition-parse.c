/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition-private.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-credential.h"
#include "creel-error.h"
#include "creel-names.h"

typedef struct
{
  char *text;
  char *origin;
  CreelVerdict verdict;
  gboolean approved;
} Rule;

static void
rule_free (gpointer data)
{
  Rule *rule = data;

  g_free (rule->text);
  g_free (rule->origin);
  g_free (rule);
}

void
creel_definition_reader_init (CreelDefinitionReader *reader, const char *name)
{
  *reader = (CreelDefinitionReader) { .definition = creel_definition_new (name) };
  reader->rules = g_ptr_array_new_with_free_func (rule_free);
}

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, message);
  return FALSE;
}

gboolean
creel_number_parse (const char *value, guint64 max, guint64 *ret, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (g_ascii_string_to_unsigned (value, 10, 0, max, ret, &local_error))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "\"%.40s\" is not a number up to %" G_GUINT64_FORMAT, value,
               max);
  return FALSE;
}

gboolean
creel_size_parse (const char *value, guint64 *ret, GError **error)
{
  gsize length = strlen (value);
  g_autofree char *digits = NULL;
  const char *suffix;
  guint shift = 0;
  guint64 number;

  suffix = length > 0 ? strchr ("KMGT", g_ascii_toupper (value[length - 1])) : NULL;
  if (suffix != NULL && *suffix != '\0')
    {
      switch (*suffix)
        {
        case 'K': shift = 10; break;
        case 'M': shift = 20; break;
        case 'G': shift = 30; break;
        default: shift = 40; break;
        }
      length--;
    }
  digits = g_strndup (value, length);
  if (!creel_number_parse (digits, G_MAXUINT64 >> shift, &number, NULL))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION,
                   "\"%.40s\" is not a size: write a number of bytes, or one with K, M, G or T", value);
      return FALSE;
    }
  *ret = number << shift;
  return TRUE;
}

static gboolean
add_workspace (CreelDefinition *definition, const char *value, GError **error)
{
  CreelWorkspace *workspace;
  gboolean read_only = g_str_has_suffix (value, ":ro");

  if (value[0] == '\0')
    {
      g_ptr_array_set_size (definition->workspaces, 0);
      return TRUE;
    }
  if (definition->workspaces->len >= CREEL_MAX_WORKSPACES)
    return fail (error, "Too many workspaces");
  workspace = g_new0 (CreelWorkspace, 1);
  workspace->path = g_strndup (value, strlen (value) - (read_only ? strlen (":ro") : 0));
  workspace->read_only = read_only;
  g_ptr_array_add (definition->workspaces, workspace);
  return TRUE;
}

static gboolean
set_command (CreelDefinition *definition, const char *value, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_auto (GStrv) words = NULL;

  if (value[0] != '\0' && !g_shell_parse_argv (value, NULL, &words, &local_error))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Command= cannot be split into words: %s",
                   local_error->message);
      return FALSE;
    }
  g_strfreev (definition->command);
  definition->command = words != NULL ? g_steal_pointer (&words) : g_new0 (char *, 1);
  return TRUE;
}

static gboolean
add_rule (CreelDefinitionReader *reader, CreelVerdict verdict, gboolean approved, const char *value, const char *origin, GError **error)
{
  g_autoptr (CreelRule) parsed = NULL;
  Rule *rule;

  if (value[0] == '\0')
    {
      for (guint i = reader->rules->len; i > 0; i--)
        {
          const Rule *old = reader->rules->pdata[i - 1];

          if (old->verdict == verdict && old->approved == approved)
            g_ptr_array_remove_index (reader->rules, i - 1);
        }
      return TRUE;
    }
  if (reader->rules->len >= CREEL_MAX_RULES)
    return fail (error, "Too many rules");
  parsed = creel_rule_parse (verdict, value, origin, error);
  if (parsed == NULL)
    {
      if (error != NULL)
        {
          (*error)->domain = CREEL_ERROR;
          (*error)->code = CREEL_ERROR_BAD_DEFINITION;
        }
      return FALSE;
    }
  rule = g_new0 (Rule, 1);
  rule->text = g_strdup (value);
  rule->origin = g_strdup (origin);
  rule->verdict = verdict;
  rule->approved = approved;
  g_ptr_array_add (reader->rules, rule);
  return TRUE;
}

static gboolean
set_list (char ***list, guint max, const char *value, GError **error)
{
  if (g_strv_length (*list) >= max)
    return fail (error, "The list is too long");
  creel_conf_strv_add (list, value);
  return TRUE;
}

static gboolean
add_publish (CreelDefinition *definition, const char *value, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (CreelPublish) publish = NULL;
  g_autofree char *text = NULL;

  if (value[0] == '\0')
    return set_list (&definition->publish, G_MAXUINT, value, error);
  publish = creel_publish_parse (value, &local_error);
  if (publish == NULL)
    return fail (error, local_error->message);
  text = creel_publish_format (publish);
  return set_list (&definition->publish, CREEL_MAX_PUBLISH, text, error);
}

static gboolean
set_text (char **text, const char *value)
{
  g_free (*text);
  *text = value[0] != '\0' ? g_strdup (value) : NULL;
  return TRUE;
}

static gboolean
set_policy (CreelDefinitionReader *reader, const char *value, GError **error)
{
  if (!creel_verdict_parse (value, &reader->definition->default_verdict))
    return fail (error, "Policy= must be ask, allow or deny");
  reader->has_policy = TRUE;
  return TRUE;
}

static gboolean
set_count (guint *ret, guint max, const char *value, GError **error)
{
  guint64 number;

  if (!creel_number_parse (value, max, &number, error))
    return FALSE;
  *ret = number;
  return TRUE;
}

static gboolean
set_owner (CreelDefinitionReader *reader, const char *value, GError **error)
{
  guint64 number;

  /* (uid_t) -1 is nobody's: several system calls take it for "leave as it is" */
  if (!creel_number_parse (value, G_MAXUINT32 - 1, &number, error))
    return FALSE;
  reader->definition->owner = number;
  reader->has_owner = TRUE;
  return TRUE;
}

static gboolean
set_created (CreelDefinition *definition, const char *value, GError **error)
{
  guint64 number;

  if (!creel_number_parse (value, G_MAXINT64, &number, error))
    return FALSE;
  definition->created = number;
  return TRUE;
}

static gboolean
take (CreelDefinitionReader *reader, const char *key, const char *value, const char *origin, GError **error)
{
  CreelDefinition *d = reader->definition;
  CreelLimit limit = creel_limit_find (key);

  if (value[0] != '\0' && !creel_conf_value_is_safe (value))
    return fail (error, "The value is too long or has bytes that it may not have");
  if (g_str_equal (key, "Owner"))
    return set_owner (reader, value, error);
  if (g_str_equal (key, "Agent"))
    return set_text (&d->agent, value);
  if (g_str_equal (key, "Image"))
    return set_text (&d->image, value);
  if (g_str_equal (key, "ImageID"))
    return set_text (&d->image_id, value);
  if (g_str_equal (key, "Memory"))
    return creel_size_parse (value, &d->memory, error);
  if (g_str_equal (key, "CPUs"))
    return set_count (&d->cpus, G_MAXUINT16, value, error);
  if (g_str_equal (key, "Disk"))
    return creel_size_parse (value, &d->disk, error);
  if (g_str_equal (key, "Workspace"))
    return add_workspace (d, value, error);
  if (g_str_equal (key, "Environment"))
    return set_list (&d->environment, CREEL_MAX_ENVIRONMENT, value, error);
  if (g_str_equal (key, "Command"))
    return set_command (d, value, error);
  if (g_str_equal (key, "Preset"))
    return set_text (&d->preset, value);
  if (g_str_equal (key, "Policy"))
    return set_policy (reader, value, error);
  if (g_str_equal (key, "Allow"))
    return add_rule (reader, CREEL_VERDICT_ALLOW, FALSE, value, origin, error);
  if (g_str_equal (key, "Approved"))
    return add_rule (reader, CREEL_VERDICT_ALLOW, TRUE, value, origin, error);
  if (g_str_equal (key, "Ask"))
    return add_rule (reader, CREEL_VERDICT_ASK, FALSE, value, origin, error);
  if (g_str_equal (key, "Deny"))
    return add_rule (reader, CREEL_VERDICT_DENY, FALSE, value, origin, error);
  if (g_str_equal (key, "Bypass"))
    return set_list (&d->bypass, CREEL_MAX_RULES, value, error);
  if (g_str_equal (key, "Credential"))
    return set_list (&d->credentials, CREEL_MAX_CREDENTIALS, value, error);
  if (g_str_equal (key, "Publish"))
    return add_publish (d, value, error);
  if (g_str_equal (key, "StartTimeoutSec"))
    return set_count (&d->start_timeout, 24 * 3600, value, error);
  if (g_str_equal (key, "AskTimeoutSec"))
    return set_count (&d->ask_timeout, 24 * 3600, value, error);
  if (limit != CREEL_N_LIMITS)
    return creel_limits_set (&d->limits, limit, value, error);
  if (g_str_equal (key, "Created"))
    return set_created (d, value, error);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown key \"%.64s\" in [%s]", key,
               CREEL_DEFINITION_SECTION);
  return FALSE;
}

static CreelCredential *
find_own (CreelDefinition *definition, const char *name)
{
  for (guint i = 0; i < definition->own_credentials->len; i++)
    if (g_str_equal (((CreelCredential *) definition->own_credentials->pdata[i])->name, name))
      return definition->own_credentials->pdata[i];
  return NULL;
}

static gboolean
take_credential (CreelDefinition *definition, const char *name, const char *key, const char *value, GError **error)
{
  CreelCredential *credential = find_own (definition, name);

  if (credential == NULL)
    {
      if (!creel_credential_name_is_valid (name) || definition->own_credentials->len >= CREEL_MAX_CREDENTIALS)
        return fail (error, "Bad name of a credential, or too many of them");
      credential = creel_credential_new (name);
      g_ptr_array_add (definition->own_credentials, credential);
    }
  return key == NULL || creel_credential_set (credential, key, value, error);
}

gboolean
creel_definition_reader_take (const char *section, const char *key, const char *value, const char *origin,
                              gpointer user_data, GError **error)
{
  CreelDefinitionReader *reader = user_data;

  if (g_str_has_prefix (section, CREEL_CREDENTIAL_SECTION_PREFIX))
    return take_credential (reader->definition, section + strlen (CREEL_CREDENTIAL_SECTION_PREFIX), key, value, error);
  if (g_str_equal (section, CREEL_DEFINITION_SECTION))
    {
      reader->seen = TRUE;
      return key == NULL || take (reader, key, value, origin, error);
    }
  /* a misspelt section must not silently lose a Deny= */
  if (g_ascii_strncasecmp (section, CREEL_DEFINITION_SECTION, strlen (CREEL_DEFINITION_SECTION)) == 0)
    return fail (error, "Unknown section: it is [X-Creel] or [X-Creel-Credential NAME]");
  return TRUE;
}

/* The preset's rules, then the definition's own, into one policy; the texts beside it for those who edit. */
static gboolean
build_policy (CreelDefinitionReader *reader, GError **error)
{
  CreelDefinition *d = reader->definition;

  g_clear_pointer (&d->policy, creel_policy_unref);
  d->policy = creel_policy_new (d->default_verdict);
  if (d->preset != NULL && !creel_policy_add_preset (d->policy, d->preset, error))
    {
      if (error != NULL)
        {
          (*error)->domain = CREEL_ERROR;
          (*error)->code = CREEL_ERROR_BAD_DEFINITION;
        }
      return FALSE;
    }
  for (guint i = 0; i < reader->rules->len; i++)
    {
      Rule *rule = reader->rules->pdata[i];
      CreelRule *parsed = creel_rule_parse (rule->verdict, rule->text, rule->origin, error);

      if (parsed == NULL)
        return FALSE;
      if (rule->approved)
        creel_rule_set_approved (parsed);
      creel_policy_take_rule (d->policy, parsed);
      creel_conf_strv_add (rule->approved                       ? &d->approved
                           : rule->verdict == CREEL_VERDICT_ALLOW ? &d->allow
                           : rule->verdict == CREEL_VERDICT_ASK ? &d->ask
                                                                : &d->deny,
                           rule->text);
    }
  return TRUE;
}

CreelDefinition *
creel_definition_reader_finish (CreelDefinitionReader *reader, GError **error)
{
  g_autoptr (CreelDefinition) definition = reader->definition;
  gboolean ok;

  if (!reader->seen)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", definition->name);
      ok = FALSE;
    }
  else if (!reader->has_owner)
    ok = fail (error, "Owner= is missing");
  else
    {
      ok = build_policy (reader, error);
      for (guint i = 0; ok && i < definition->own_credentials->len; i++)
        ok = creel_credential_validate (definition->own_credentials->pdata[i], error);
      ok = ok && creel_definition_validate (definition, error);
    }
  g_clear_pointer (&reader->rules, g_ptr_array_unref);
  reader->definition = NULL;
  return ok ? g_steal_pointer (&definition) : NULL;
}

CreelDefinition *
creel_definition_parse (const char *name, const char *text, gssize length, const char *origin, GError **error)
{
  CreelDefinitionReader reader;
  g_autoptr (CreelDefinition) definition = NULL;
  g_autoptr (GError) local_error = NULL;
  gboolean ok;

  creel_definition_reader_init (&reader, name);
  ok = creel_conf_parse (text, length, origin, creel_definition_reader_take, &reader, &local_error);
  definition = creel_definition_reader_finish (&reader, ok ? &local_error : NULL);
  if (ok && definition != NULL)
    return g_steal_pointer (&definition);
  if (ok && local_error->code == CREEL_ERROR_BAD_DEFINITION)
    g_prefix_error (&local_error, "%s: ", origin);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}
