/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-host.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  guint16 port = 0;
  g_autoptr (CreelHost) host = creel_host_parse ((const char *) data, (gssize) size, NULL);
  g_autoptr (CreelHost) authority = creel_host_parse_authority ((const char *) data, (gssize) size, 443, &port, NULL);

  if (host != NULL)
    {
      g_autoptr (CreelHost) again = creel_host_parse (creel_host_get_text (host), -1, NULL);

      g_assert_true (again != NULL && creel_host_equal (host, again));
    }
  if (authority != NULL)
    {
      g_autofree char *text = creel_host_format_authority (authority, port);
      guint16 again_port = 0;
      g_autoptr (CreelHost) again = creel_host_parse_authority (text, -1, 0, &again_port, NULL);

      g_assert_true (again != NULL && creel_host_equal (authority, again) && again_port == port && port != 0);
    }
  return 0;
}
