/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-http-body.h"

/* the cut between two feeds must not change what is read: the first byte says where it is */
int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  CreelHttpBody body;
  gsize at = 1;
  guint64 total = 0;

  if (size < 2)
    return 0;
  creel_http_body_init (&body, CREEL_BODY_CHUNKED, 0);
  while (at < size && !body.done)
    {
      const guint8 *payload;
      gsize n;
      gssize used = creel_http_body_feed (&body, data + at, MIN (size - at, (gsize) data[0] + 1), &payload, &n);

      if (used < 0)
        return 0;
      g_assert_cmpint (used, >, 0);
      g_assert_true (n == 0 || (payload >= data + at && payload + n <= data + size));
      total += n;
      at += (gsize) used;
    }
  g_assert_cmpuint (total, <, size);
  return 0;
}
