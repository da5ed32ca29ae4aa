/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-idmap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FALLBACK_FIRST 0x70000000u
#define FALLBACK_RANGES 0xffeu

uint32_t
creel_idmap_find_range (const char *text, const char *user_name, uid_t owner)
{
  char number[16];

  snprintf (number, sizeof number, "%u", (unsigned) owner);
  while (text != NULL && *text != '\0')
    {
      size_t name_length = strcspn (text, ":\n");
      bool ours = (user_name != NULL && strlen (user_name) == name_length && strncmp (text, user_name, name_length) == 0) ||
                  (strlen (number) == name_length && strncmp (text, number, name_length) == 0);

      if (ours && name_length > 0 && text[name_length] == ':')
        {
          char *end;
          unsigned long long first, count;

          first = strtoull (text + name_length + 1, &end, 10);
          count = *end == ':' ? strtoull (end + 1, &end, 10) : 0;
          /* Never a range that holds root or the owner: two guest ids would be one on the host */
          if ((*end == '\n' || *end == '\0') && count >= CREEL_SHARE_IDS && first >= CREEL_SHARE_IDS &&
              first <= UINT32_MAX - CREEL_SHARE_IDS && (owner < first || owner >= first + CREEL_SHARE_IDS))
            return (uint32_t) first;
        }
      text = strchr (text, '\n');
      if (text != NULL)
        text++;
    }
  return FALLBACK_FIRST + (owner % FALLBACK_RANGES) * CREEL_SHARE_IDS;
}

size_t
creel_idmap_format (uint32_t owner_id, uint32_t first, char *buffer, size_t size)
{
  return (size_t) snprintf (buffer, size, "0 %u %u\n%u %u 1\n%u %u %u\n", first, CREEL_SHARE_UID, CREEL_SHARE_UID, owner_id,
                            CREEL_SHARE_UID + 1, first + CREEL_SHARE_UID + 1, CREEL_SHARE_IDS - CREEL_SHARE_UID - 1);
}
