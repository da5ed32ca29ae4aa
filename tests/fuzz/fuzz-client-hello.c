/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-client-hello.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_auto (CreelClientHello) hello = { 0 };

  if (creel_client_hello_parse (data, size, &hello) == CREEL_HELLO_DONE && hello.server_name != NULL)
    g_assert_cmpuint (strlen (hello.server_name), <=, 255);
  return 0;
}
