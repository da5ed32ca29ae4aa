/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DNS queries of the guest's programs. */
#include "init.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  uint8_t answer[DNS_ANSWER_MAX];

  if (names_answer (bytes, n_bytes, answer) > sizeof answer)
    abort ();
  return 0;
}
