/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-gate.h"

#include "creel-management-users.h"
#include "creel-models-peer.h"
#include "creel-names.h"

#define SETTING "ManagementUsers= of section [Models] in " CREEL_CONFIG_DIR "/creel.conf"

static const char *
get_command (CreelModelsOperation operation)
{
  switch (operation)
    {
    case CREEL_MODELS_PUSH: return "push NAME";
    case CREEL_MODELS_TAG: return "tag NAME OTHER";
    case CREEL_MODELS_REMOVE: return "rm NAME";
    case CREEL_MODELS_UNLOAD: return "unload NAME";
    case CREEL_MODELS_CONFIGURE: return "configure NAME";
    case CREEL_MODELS_MAKE: return "package --gguf FILE NAME";
    case CREEL_MODELS_PULL:
    default: return "pull NAME";
    }
}

char *
creel_models_gate_check (const CreelModelsRoute *route, const CreelHttpHead *head, GSocketConnection *stream, uid_t *ret_uid)
{
  g_auto (GStrv) users = creel_management_users_load ();
  const char *command = get_command (route->operation);
  gboolean open;

  *ret_uid = (uid_t) -1;
  if (route->operation == CREEL_MODELS_MAKE)
    return g_strdup_printf ("Models are not made through this port; use: creel model %s", command);
  if (users[0] == NULL)
    return g_strdup_printf ("Models are not changed through this port; use: creel model %s. The administrator can let users change them here with " SETTING, command);
  /* A page asks with the user's own browser, which can be told to leave Origin out, but not the other. A gateway says of each request whose it is; its uid would not be let through either. */
  if (soup_message_headers_get_list (head->headers, "Origin") != NULL || soup_message_headers_get_list (head->headers, "Sec-Fetch-Site") != NULL)
    return g_strdup_printf ("A web page may not change models; use: creel model %s", command);
  if (soup_message_headers_get_list (head->headers, CREEL_SANDBOX_HEADER) != NULL)
    return g_strdup_printf ("A sandbox may not change models; on the host use: creel model %s", command);
  if (!creel_models_peer_get_uid (stream, ret_uid, &open) || !open)
    {
      *ret_uid = (uid_t) -1;
      return g_strdup_printf ("Whose program asks is not known, so it may not change models; use: creel model %s", command);
    }
  if (!creel_management_users_contain ((const char *const *) users, *ret_uid))
    return g_strdup_printf ("You may not change models through this port, as " SETTING " does not name you; use: creel model %s", command);
  return NULL;
}
