/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-credential.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-config.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

CreelCredential *
creel_credential_new (const char *name)
{
  CreelCredential *credential = g_new0 (CreelCredential, 1);

  credential->name = g_strdup (name);
  credential->hosts = g_new0 (char *, 1);
  credential->strip_headers = g_new0 (char *, 1);
  credential->strip_parameters = g_new0 (char *, 1);
  credential->variables = g_new0 (char *, 1);
  return credential;
}

CreelCredential *
creel_credential_copy (const CreelCredential *other)
{
  CreelCredential *credential = g_new0 (CreelCredential, 1);

  credential->name = g_strdup (other->name);
  credential->hosts = g_strdupv (other->hosts);
  credential->header = g_strdup (other->header);
  credential->format = g_strdup (other->format);
  credential->parameter = g_strdup (other->parameter);
  credential->strip_headers = g_strdupv (other->strip_headers);
  credential->strip_parameters = g_strdupv (other->strip_parameters);
  credential->variables = g_strdupv (other->variables);
  credential->placeholder = g_strdup (other->placeholder);
  credential->description = g_strdup (other->description);
  return credential;
}

void
creel_credential_free (CreelCredential *credential)
{
  g_free (credential->name);
  g_strfreev (credential->hosts);
  g_free (credential->header);
  g_free (credential->format);
  g_free (credential->parameter);
  g_strfreev (credential->strip_headers);
  g_strfreev (credential->strip_parameters);
  g_strfreev (credential->variables);
  g_free (credential->placeholder);
  g_free (credential->description);
  g_free (credential);
}

gboolean
creel_credential_name_is_valid (const char *name)
{
  gsize length = name != NULL ? strnlen (name, 65) : 0;

  if (length == 0 || length > 64 || !g_ascii_isalnum (name[0]))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && strchr ("-_.", name[i]) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
bad (GError **error, const char *format, const char *value)
{
  g_autofree char *message = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  message = g_strdup_printf (format, value);
#pragma GCC diagnostic pop
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, message);
  return FALSE;
}

/* A header name of HTTP, or a query parameter's name: both are kept to the bytes that need no escape. */
static gboolean
is_token (const char *value)
{
  return value[0] != '\0' && strlen (value) <= 128 && value[strspn (value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static gboolean
is_variable (const char *value)
{
  return value[0] != '\0' && strlen (value) <= 128 && !g_ascii_isdigit (value[0]) &&
         value[strspn (value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

gboolean
creel_environment_is_valid (const char *assignment)
{
  const char *equals = strchr (assignment, '=');
  g_autofree char *key = equals != NULL ? g_strndup (assignment, equals - assignment) : NULL;

  return key != NULL && is_variable (key) && creel_conf_value_is_safe (assignment);
}

static gboolean
has_one_slot (const char *value)
{
  const char *slot = strstr (value, "{}");

  return slot != NULL && strstr (slot + 2, "{}") == NULL;
}

gboolean
creel_credential_set (CreelCredential *credential, const char *key, const char *value, GError **error)
{
  const struct
  {
    const char *key;
    char ***list;
  } lists[] = {
    { "Host", &credential->hosts },
    { "StripHeader", &credential->strip_headers },
    { "StripParameter", &credential->strip_parameters },
    { "Variable", &credential->variables },
  };
  const struct
  {
    const char *key;
    char **text;
  } texts[] = {
    { "Header", &credential->header },
    { "Format", &credential->format },
    { "Parameter", &credential->parameter },
    { "Placeholder", &credential->placeholder },
    { "Description", &credential->description },
  };

  if (value[0] != '\0' && !creel_conf_value_is_safe (value))
    return bad (error, "The value of %s= is too long or has bytes that it may not have", key);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    if (g_str_equal (key, lists[i].key))
      {
        if (g_strv_length (*lists[i].list) >= 64)
          return bad (error, "Too many %s= lines, 64 are allowed", key);
        creel_conf_strv_add (lists[i].list, value);
        return TRUE;
      }
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (g_str_equal (key, texts[i].key))
      {
        g_free (*texts[i].text);
        *texts[i].text = value[0] != '\0' ? g_strdup (value) : NULL;
        return TRUE;
      }
  return bad (error, "Unknown key \"%s\" of a credential", key);
}

static gboolean
format_is_valid (const char *format)
{
  if (g_str_has_prefix (format, "basic:"))
    return format[strlen ("basic:")] != '\0' && strchr (format + strlen ("basic:"), ':') == NULL;
  return has_one_slot (format);
}

gboolean
creel_credential_validate (CreelCredential *credential, GError **error)
{
  const char *name = credential->name;

  if (!creel_credential_name_is_valid (name))
    return bad (error, "\"%s\" cannot be the name of a credential", name);
  if (credential->hosts[0] == NULL)
    return bad (error, "Credential %s names no Host=", name);
  for (char **host = credential->hosts; *host != NULL; host++)
    {
      g_autoptr (CreelHost) parsed = NULL;
      guint16 port;

      parsed = creel_host_parse_authority (*host, -1, 443, &port, NULL);
      if (parsed == NULL)
        return bad (error, "Host=%s is not an exact host name: a key goes to no other", *host);
      g_free (*host);
      *host = port == 443 ? g_strdup (creel_host_get_text (parsed)) : creel_host_format_authority (parsed, port);
    }
  if ((credential->header == NULL) == (credential->parameter == NULL))
    return bad (error, "Credential %s needs either Header= or Parameter=", name);
  if (credential->header != NULL && !is_token (credential->header))
    return bad (error, "\"%s\" is not the name of a header", credential->header);
  if (credential->parameter != NULL && !is_token (credential->parameter))
    return bad (error, "\"%s\" is not the name of a query parameter", credential->parameter);
  if (credential->format == NULL)
    credential->format = g_strdup ("{}");
  if (!format_is_valid (credential->format))
    return bad (error, "Format=%s must have {} once, or be basic:USER", credential->format);
  if (credential->placeholder == NULL)
    credential->placeholder = g_strdup ("creel-{}");
  if (!has_one_slot (credential->placeholder))
    return bad (error, "Placeholder=%s must have {} once", credential->placeholder);
  for (char **header = credential->strip_headers; *header != NULL; header++)
    if (!is_token (*header))
      return bad (error, "\"%s\" is not the name of a header", *header);
  for (char **parameter = credential->strip_parameters; *parameter != NULL; parameter++)
    if (!is_token (*parameter))
      return bad (error, "\"%s\" is not the name of a query parameter", *parameter);
  for (char **variable = credential->variables; *variable != NULL; variable++)
    if (!is_variable (*variable))
      return bad (error, "\"%s\" is not the name of a variable", *variable);
  return TRUE;
}

static gboolean
set_from_file (const char *section, const char *key, const char *value, const char *origin, gpointer user_data,
               GError **error)
{
  if (!g_str_equal (section, "Credential"))
    return bad (error, "Unknown section [%s]", section);
  return key == NULL || creel_credential_set (user_data, key, value, error);
}

CreelCredential *
creel_credential_load (const char *name, GError **error)
{
  static const char *const directories[] = { CREEL_CONFIG_DIR "/credentials.d", CREEL_DATADIR "/credentials.d" };

  if (!creel_credential_name_is_valid (name))
    {
      bad (error, "\"%s\" cannot be the name of a credential", name);
      return NULL;
    }
  for (guint i = 0; i < G_N_ELEMENTS (directories); i++)
    {
      g_autoptr (CreelCredential) credential = creel_credential_new (name);
      g_autofree char *directory = creel_root_path (directories[i]);
      g_autofree char *path = g_strdup_printf ("%s/%s.conf", directory, name);
      g_autoptr (GError) local_error = NULL;

      if (creel_conf_parse_file (path, set_from_file, credential, &local_error) &&
          creel_credential_validate (credential, &local_error))
        return g_steal_pointer (&credential);
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        {
          if (strstr (local_error->message, path) == NULL)
            g_prefix_error (&local_error, "%s: ", path);
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION,
               "There is no credential \"%s\": write %s/credentials.d/%s.conf",
               name, CREEL_CONFIG_DIR, name);
  return NULL;
}

char **
creel_credential_list (void)
{
  g_autofree char *own = creel_root_path (CREEL_CONFIG_DIR "/credentials.d");
  g_autofree char *package = creel_root_path (CREEL_DATADIR "/credentials.d");
  const char *const directories[] = { own, package, NULL };

  return creel_conf_list_names (directories);
}
