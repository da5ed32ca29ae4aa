/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-config.h"
#include "creel-credential.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

void
creel_agent_type_free (CreelAgentType *agent)
{
  g_free (agent->name);
  g_free (agent->description);
  g_free (agent->image);
  g_strfreev (agent->command);
  g_strfreev (agent->credentials);
  g_strfreev (agent->allow);
  g_strfreev (agent->environment);
  g_free (agent);
}

static gboolean
take (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  CreelAgentType *agent = user_data;

  if (!g_str_equal (section, "Agent"))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown section [%s]", section);
  else if (key == NULL)
    return TRUE;
  else if (value[0] != '\0' && !creel_conf_value_is_safe (value))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Bad value of %s=", key);
  else if (g_str_equal (key, "Description"))
    {
      g_free (agent->description);
      agent->description = g_strdup (value);
      return TRUE;
    }
  else if (g_str_equal (key, "Image"))
    {
      g_free (agent->image);
      agent->image = g_strdup (value);
      return TRUE;
    }
  else if (g_str_equal (key, "Command"))
    {
      char **words = NULL;

      if (value[0] != '\0' && !g_shell_parse_argv (value, NULL, &words, error))
        return FALSE;
      g_strfreev (agent->command);
      agent->command = words != NULL ? words : g_new0 (char *, 1);
      return TRUE;
    }
  else if (g_str_equal (key, "Credential"))
    {
      creel_conf_strv_add (&agent->credentials, value);
      return TRUE;
    }
  else if (g_str_equal (key, "Allow"))
    {
      creel_conf_strv_add (&agent->allow, value);
      return TRUE;
    }
  else if (g_str_equal (key, "Environment"))
    {
      creel_conf_strv_add (&agent->environment, value);
      return TRUE;
    }
  else if (g_str_equal (key, "MinimumMemory"))
    return creel_size_parse (value, &agent->minimum_memory, error);
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown key \"%.64s\" of an agent", key);
  return FALSE;
}

CreelAgentType *
creel_agent_type_load (const char *name, GError **error)
{
  static const char *const directories[] = { CREEL_CONFIG_DIR "/agents.d", CREEL_DATADIR "/agents" };
  g_autofree char *shown = NULL;
  g_autofree char *list = NULL;
  g_auto (GStrv) names = NULL;

  for (guint i = 0; creel_credential_name_is_valid (name) && i < G_N_ELEMENTS (directories); i++)
    {
      g_autoptr (CreelAgentType) agent = g_new0 (CreelAgentType, 1);
      g_autofree char *directory = creel_root_path (directories[i]);
      g_autofree char *path = g_strdup_printf ("%s/%s.conf", directory, name);
      g_autoptr (GError) local_error = NULL;

      agent->name = g_strdup (name);
      agent->command = g_new0 (char *, 1);
      agent->credentials = g_new0 (char *, 1);
      agent->allow = g_new0 (char *, 1);
      agent->environment = g_new0 (char *, 1);
      if (creel_conf_parse_file (path, take, agent, &local_error))
        {
          if (agent->image != NULL)
            return g_steal_pointer (&agent);
          g_set_error (&local_error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s: Image= is missing", path);
        }
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        {
          g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, local_error->message);
          return NULL;
        }
    }
  shown = g_strndup (name, 64);
  g_strcanon (shown, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._", '?');
  names = creel_agent_type_list ();
  list = g_strjoinv (", ", names);
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "There is no agent \"%s\"; there are: %s", shown, list);
  return NULL;
}

char **
creel_agent_type_list (void)
{
  g_autofree char *own = creel_root_path (CREEL_CONFIG_DIR "/agents.d");
  g_autofree char *package = creel_root_path (CREEL_DATADIR "/agents");
  const char *const directories[] = { own, package, NULL };

  return creel_conf_list_names (directories);
}
