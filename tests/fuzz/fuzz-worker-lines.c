/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-worker-lines.h"

int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  g_autoptr (CreelWorkerLines) lines = creel_worker_lines_new ();
  size_t half = size / 2;

  creel_worker_lines_feed (lines, (const char *) data, half);
  creel_worker_lines_feed (lines, (const char *) data + half, size - half);
  for (guint i = 0; i < lines->plan->steps->len; i++)
    {
      CreelPlanStep *step = lines->plan->steps->pdata[i];
      g_autofree char *text = creel_plan_step_describe (step);

      g_assert_true (g_utf8_validate (text, -1, NULL) && strchr (text, '\n') == NULL);
      g_assert_true (step->words != NULL && (step->kind != CREEL_PLAN_COPY || step->to[0] == '/'));
    }
  /* what is taken can be kept */
  if (lines->id != NULL && !lines->broken)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = creel_image_config_format (lines->config, &error);

      g_assert_no_error (error);
      for (char **blob = lines->config->blobs; *blob != NULL; blob++)
        g_assert_true (creel_image_blob_is_valid (*blob));
    }
  {
    g_autoptr (CreelModelConfig) model = creel_worker_lines_take_model (lines, NULL);

    if (model != NULL)
      {
        g_autofree char *text = creel_model_config_format (model);
        g_autoptr (GError) error = NULL;
        g_autoptr (CreelModelConfig) again = creel_model_config_parse (text, -1, &error);

        g_assert_no_error (error);
        g_assert_cmpuint (again->files->len, ==, model->files->len);
      }
  }
  return 0;
}
