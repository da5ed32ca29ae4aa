/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-plan.h"

#include <string.h>

#define MAX_WORDS 4096
#define MAX_REFERENCE 512
#define MAX_PATH 4096
#define MAX_LINE_NUMBER (1024 * 1024)
#define MAX_SHOWN 100

static const struct
{
  const char *word, *shown;
} kinds[] = {
  [CREEL_PLAN_RUN] = { "run", "RUN" },
  [CREEL_PLAN_COPY] = { "copy", "COPY" },
  [CREEL_PLAN_ENV] = { "env", "ENV" },
  [CREEL_PLAN_ARG] = { "arg", "ARG" },
  [CREEL_PLAN_WORKDIR] = { "workdir", "WORKDIR" },
  [CREEL_PLAN_USER] = { "user", "USER" },
  [CREEL_PLAN_CMD] = { "cmd", "CMD" },
  [CREEL_PLAN_ENTRYPOINT] = { "entrypoint", "ENTRYPOINT" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == CREEL_PLAN_N_KINDS);

static void
step_free (gpointer data)
{
  CreelPlanStep *step = data;

  g_strfreev (step->words);
  g_free (step->owner);
  g_free (step->mode);
  g_free (step->name);
  g_free (step->to);
  g_free (step);
}

CreelPlan *
creel_plan_new (void)
{
  CreelPlan *plan = g_new0 (CreelPlan, 1);

  plan->steps = g_ptr_array_new_with_free_func (step_free);
  return plan;
}

void
creel_plan_free (CreelPlan *plan)
{
  g_ptr_array_unref (plan->steps);
  g_free (plan->from);
  g_free (plan);
}

/* The words of a line without their encoding; NULL when one is not UTF-8, or holds what no Containerfile can. */
static char **
decode (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  guint n = g_strv_length (words);

  if (n > MAX_WORDS)
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      char *word = g_uri_unescape_string (words[i], NULL); /* NULL for %00 too */

      if (word == NULL)
        return NULL;
      g_free (words[i]);
      words[i] = word;
      if (!g_utf8_validate (word, -1, NULL))
        return NULL;
    }
  return g_steal_pointer (&words);
}

static gboolean
parse_line (const char *text, guint *ret)
{
  guint64 line;

  if (!g_ascii_string_to_unsigned (text, 10, 1, MAX_LINE_NUMBER, &line, NULL))
    return FALSE;
  *ret = (guint) line;
  return TRUE;
}

static gboolean
has_control (const char *text)
{
  for (; *text != '\0'; text++)
    if ((guchar) *text < 0x20 || *text == 0x7f)
      return TRUE;
  return FALSE;
}

gboolean
creel_plan_take_from (CreelPlan *plan, const char *rest)
{
  g_auto (GStrv) words = decode (rest);
  guint line;

  if (plan->from != NULL || words == NULL || g_strv_length (words) != 2 || !parse_line (words[0], &line) || words[1][0] == '\0' ||
      strlen (words[1]) > MAX_REFERENCE || has_control (words[1]))
    return FALSE;
  plan->from = g_strdup (words[1]);
  plan->from_line = line;
  return TRUE;
}

static gboolean
is_user (const char *text)
{
  const char *colon = strchr (text, ':');

  if (text[0] == '\0' || text[0] == '-' || strlen (text) > 128 || colon == text ||
      (colon != NULL && (colon[1] == '\0' || strchr (colon + 1, ':') != NULL)))
    return FALSE;
  for (; *text != '\0'; text++)
    if (!g_ascii_isalnum (*text) && strchr ("_.-:$@+", *text) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
is_mode (const char *text)
{
  return g_str_equal (text, "-") || (text[0] != '\0' && strlen (text) <= 4 && text[strspn (text, "01234567")] == '\0');
}

static gboolean
is_path (const char *text)
{
  return text[0] == '/' && strlen (text) < MAX_PATH;
}

static gboolean
is_variable (const char *text)
{
  const char *equals = strchr (text, '=');

  if (equals == NULL || equals - text > 256 || !(g_ascii_isalpha (text[0]) || text[0] == '_'))
    return FALSE;
  for (; text < equals; text++)
    if (!g_ascii_isalnum (*text) && strchr ("_.-", *text) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
take_copy (CreelPlanStep *step, char **words, guint n)
{
  if (n < 5 || !is_user (words[0]) || !is_mode (words[1]) || strchr (words[2], '/') != NULL || strlen (words[2]) > 255 ||
      g_str_equal (words[2], ".") || g_str_equal (words[2], "..") || !is_path (words[3]))
    return FALSE;
  for (guint i = 4; i < n; i++)
    if (words[i][0] == '\0' || strlen (words[i]) > MAX_PATH)
      return FALSE;
  step->owner = g_strdup (words[0]);
  step->mode = g_strdup (words[1]);
  step->name = g_strdup (words[2]);
  step->to = g_strdup (words[3]);
  step->words = g_strdupv (words + 4);
  return TRUE;
}

static gboolean
take_words (CreelPlanStep *step, char **words)
{
  guint n = g_strv_length (words);
  gboolean ok = FALSE;

  switch (step->kind)
    {
    case CREEL_PLAN_COPY:
      return take_copy (step, words, n);
    case CREEL_PLAN_RUN:
      ok = n >= 1 && words[0][0] != '\0';
      break;
    case CREEL_PLAN_CMD:
    case CREEL_PLAN_ENTRYPOINT:
      ok = n == 0 || words[0][0] != '\0';
      break;
    case CREEL_PLAN_ENV:
    case CREEL_PLAN_ARG:
      ok = n == 1 && is_variable (words[0]);
      break;
    case CREEL_PLAN_WORKDIR:
      ok = n == 1 && is_path (words[0]);
      break;
    case CREEL_PLAN_USER:
      ok = n == 1 && is_user (words[0]);
      break;
    case CREEL_PLAN_N_KINDS:
      break;
    }
  if (ok)
    step->words = g_strdupv (words);
  return ok;
}

gboolean
creel_plan_take_step (CreelPlan *plan, const char *rest)
{
  g_auto (GStrv) words = decode (rest);
  CreelPlanStep *step;
  guint line, kind = 0;

  if (plan->from == NULL || plan->steps->len >= CREEL_PLAN_MAX_STEPS || words == NULL || g_strv_length (words) < 2 ||
      !parse_line (words[0], &line))
    return FALSE;
  while (kind < CREEL_PLAN_N_KINDS && !g_str_equal (words[1], kinds[kind].word))
    kind++;
  if (kind == CREEL_PLAN_N_KINDS)
    return FALSE;
  step = g_new0 (CreelPlanStep, 1);
  step->kind = kind;
  step->line = line;
  if (!take_words (step, words + 2))
    {
      step_free (step);
      return FALSE;
    }
  g_ptr_array_add (plan->steps, step);
  return TRUE;
}

gboolean
creel_plan_step_acts (const CreelPlanStep *step)
{
  return step->kind == CREEL_PLAN_RUN || step->kind == CREEL_PLAN_COPY || step->kind == CREEL_PLAN_WORKDIR;
}

char *
creel_plan_step_describe (const CreelPlanStep *step)
{
  g_autoptr (GString) text = g_string_new (kinds[step->kind].shown);
  gboolean shell = step->kind == CREEL_PLAN_RUN && g_strv_length (step->words) == 3 && g_str_equal (step->words[0], "/bin/sh") &&
                   g_str_equal (step->words[1], "-c");

  for (char **word = step->words + (shell ? 2 : 0); *word != NULL && text->len <= MAX_SHOWN; word++)
    g_string_append_printf (text, " %s", *word);
  if (step->to != NULL)
    g_string_append_printf (text, " %s", step->to);
  /* one line, whatever it holds */
  for (gsize i = 0; i < text->len; i++)
    if ((guchar) text->str[i] < 0x20 || text->str[i] == 0x7f)
      text->str[i] = ' ';
  if (text->len > MAX_SHOWN)
    {
      char *end = g_utf8_find_prev_char (text->str, text->str + MAX_SHOWN);

      g_string_truncate (text, end != NULL ? (gsize) (end - text->str) : 0);
      g_string_append (text, "…");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
