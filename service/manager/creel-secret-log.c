/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-secret-log.h"

#include "creel-credential.h"
#include "creel-definition.h"
#include "creel-names.h"

/* What one gateway can make us remember and write */
#define MAX_SEEN 256

struct _CreelSecretLog
{
  char *sandbox;
  GHashTable *seen; /* credential -> the last text logged, "" for a use */
};

CreelSecretLog *
creel_secret_log_new (const char *sandbox)
{
  CreelSecretLog *log = g_new0 (CreelSecretLog, 1);

  log->sandbox = g_strdup (sandbox);
  log->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return log;
}

void
creel_secret_log_free (CreelSecretLog *log)
{
  g_hash_table_unref (log->seen);
  g_free (log->sandbox);
  g_free (log);
}

void
creel_secret_log_reset (CreelSecretLog *log)
{
  g_hash_table_remove_all (log->seen);
}

gboolean
creel_secret_log_add (CreelSecretLog *log, uid_t owner, const char *credential, const GError *error)
{
  const char *name = creel_credential_name_is_valid (credential) ? credential : "?";
  const char *text = error != NULL ? error->message : "";
  g_autofree char *uid = g_strdup_printf ("%u", owner);

  if (g_strcmp0 (g_hash_table_lookup (log->seen, name), text) == 0 ||
      (g_hash_table_size (log->seen) >= MAX_SEEN && !g_hash_table_contains (log->seen, name)))
    return FALSE;
  g_hash_table_replace (log->seen, g_strdup (name), g_strdup (text));
  if (error == NULL)
    g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", CREEL_MESSAGE_SECRET_USED, CREEL_FIELD_SANDBOX, log->sandbox,
                      CREEL_FIELD_EVENT, "secret", CREEL_FIELD_VERDICT, "allow", CREEL_FIELD_CREDENTIAL, name, CREEL_FIELD_OWNER, uid,
                      "MESSAGE", "Sandbox %s of user %s uses the key \"%s\"", log->sandbox, uid, name);
  else
    g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "MESSAGE_ID", CREEL_MESSAGE_SECRET_REFUSED, CREEL_FIELD_SANDBOX, log->sandbox,
                      CREEL_FIELD_EVENT, "secret", CREEL_FIELD_VERDICT, "deny", CREEL_FIELD_CREDENTIAL, name, CREEL_FIELD_OWNER, uid,
                      CREEL_FIELD_REASON, text, "MESSAGE", "Sandbox %s of user %s gets no key \"%s\": %s", log->sandbox, uid, name, text);
  return TRUE;
}
