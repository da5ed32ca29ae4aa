/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-containerfile.h"

int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  g_autoptr (CreelContainerfileBase) base = creel_containerfile_base_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelContainerfile) file = NULL;

  g_hash_table_insert (base->environment, g_strdup ("PATH"), g_strdup ("/bin"));
  file = creel_containerfile_parse ((const char *) data, size, "F", base, &error);
  g_assert_true ((file != NULL) == (error == NULL));
  for (guint i = 0; file != NULL && i < file->steps->len; i++)
    {
      CreelStep *step = file->steps->pdata[i];
      guint n = g_strv_length (step->words);

      /* what the steps promise to who takes them */
      for (guint j = 0; j < n; j++)
        g_assert_true (g_utf8_validate (step->words[j], -1, NULL));
      switch (step->kind)
        {
        case CREEL_STEP_RUN:
          g_assert_true (n >= 1 && step->words[0][0] != '\0');
          break;
        case CREEL_STEP_COPY:
          g_assert_true (n >= 2 && step->words[n - 1][0] == '/');
          break;
        case CREEL_STEP_ENV:
        case CREEL_STEP_ARG:
          g_assert_true (n == 1 && strchr (step->words[0], '=') > step->words[0]);
          break;
        case CREEL_STEP_WORKDIR:
          g_assert_true (n == 1 && step->words[0][0] == '/');
          break;
        case CREEL_STEP_USER:
          g_assert_true (n == 1 && step->words[0][0] != '\0' && step->words[0][0] != '-');
          break;
        case CREEL_STEP_CMD:
        case CREEL_STEP_ENTRYPOINT:
          g_assert_true (n == 0 || step->words[0][0] != '\0');
          break;
        }
    }
  return 0;
}
