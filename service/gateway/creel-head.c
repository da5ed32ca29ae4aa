/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heads that we send. */
#include "creel-channel-private.h"

#include <string.h>

nghttp2_nv
creel_head_make (const char *name, const char *value)
{
  /* nghttp2 copies both and changes neither */
  return (nghttp2_nv){ (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen (name), strlen (value), NGHTTP2_NV_FLAG_NONE };
}

size_t
creel_head_add (nghttp2_nv *nvs, size_t n_nvs, const CreelHeader *headers, size_t n_headers)
{
  size_t length = 0;

  for (size_t i = 0; i < n_headers; i++)
    nvs[n_nvs++] = creel_head_make (headers[i].name, headers[i].value);
  for (size_t i = 0; i < n_nvs; i++)
    {
      length += nvs[i].namelen + nvs[i].valuelen + 34;
      if (length > CREEL_CHANNEL_HEADERS_MAX || !nghttp2_check_header_value (nvs[i].value, nvs[i].valuelen) ||
          (nvs[i].name[0] != ':' && !nghttp2_check_header_name (nvs[i].name, nvs[i].namelen)))
        return 0;
    }
  return n_nvs;
}
