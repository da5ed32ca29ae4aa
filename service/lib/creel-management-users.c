/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-management-users.h"

#include <pwd.h>

#include "creel-conf.h"
#include "creel-names.h"
#include "creel-root.h"

/* as the kernel shows a user that it cannot name here, and the same in 16 bits */
#define UID_NOBODY 65534
#define UID_INVALID_16 65535

static gboolean
on_assignment (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  g_auto (GStrv) words = NULL;
  char ***users = user_data;

  if (!g_str_equal (section, "Models") || g_strcmp0 (key, "ManagementUsers") != 0)
    return TRUE;
  if (*value == '\0')
    creel_conf_strv_add (users, value);
  words = g_strsplit_set (value, " \t", -1);
  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      creel_conf_strv_add (users, *word);
  return TRUE;
}

char **
creel_management_users_load (void)
{
  g_autofree char *path = creel_root_path (CREEL_CONFIG_DIR "/creel.conf");
  g_auto (GStrv) users = NULL;

  if (!creel_conf_parse_file (path, on_assignment, &users, NULL) || users == NULL)
    return g_new0 (char *, 1);
  return g_steal_pointer (&users);
}

gboolean
creel_management_users_contain (const char *const *users, uid_t uid)
{
  if (uid == (uid_t) -1 || uid == UID_NOBODY || uid == UID_INVALID_16 || (uid >= CREEL_DYNAMIC_UID_MIN && uid <= CREEL_DYNAMIC_UID_MAX))
    return FALSE;
  for (; *users != NULL; users++)
    {
      guint64 number;
      const struct passwd *user;

      if (g_ascii_string_to_unsigned (*users, 10, 0, G_MAXUINT32, &number, NULL) ? number == uid : (user = getpwnam (*users)) != NULL && user->pw_uid == uid)
        return TRUE;
    }
  return FALSE;
}
