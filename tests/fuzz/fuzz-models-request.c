/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of the model in a body that goes on as it is, against the parser of whole trees; the kernel's table of connections. */
#include <string.h>

#include "creel-models-json.h"
#include "creel-models-memory.h"
#include "creel-models-peer.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const struct sockaddr_in client = { .sin_port = htons (0x1234), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *name = creel_models_json_find_model ((const char *) data, size, NULL);
  g_autoptr (JsonNode) root = creel_models_json_parse ((const char *) data, size, NULL);
  uid_t uid;
  gboolean open;

  g_assert_true (name == NULL || (*name != '\0' && g_utf8_validate (name, -1, NULL)));
  /* both understand it: then they must agree */
  if (root != NULL && strchr (text, '\\') == NULL && strlen (text) == size)
    {
      const char *other = creel_models_json_get_string (json_node_get_object (root), "model");

      if (other != NULL && *other != '\0' && strlen (other) < 1000)
        g_assert_cmpstr (name, ==, other);
    }
  creel_models_peer_parse (text, &client, &client, &uid, &open);
  creel_models_memory_parse (text, "MemTotal");
  creel_models_memory_parse_stat (text);
  return 0;
}
