/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engine-flags.h"

#include <string.h>

#define SHOWN_MAX 64
#define CACHE_TYPES "f32|f16|bf16|q8_0|q4_0|q4_1|iq4_nl|q5_0|q5_1"

typedef enum
{
  NOTHING,  /* is alone */
  INTEGER,
  NUMBER,
  NUMBERS,  /* 3,1 */
  WORD,     /* one of `words` */
  INTEGER_OR_WORD,
  MAYBE_WORD, /* was alone in older engines */
} Value;

/* The engine takes the last of two that say the same, so none of ours can be here: host, model, alias, context size, templates. */
static const struct
{
  const char *names;
  Value value;
  const char *words;
} table[] = {
  { "-t|--threads|-tb|--threads-batch|--threads-http", INTEGER, NULL },
  { "-b|--batch-size|-ub|--ubatch-size|-np|--parallel|-n|--predict|--n-predict|--keep", INTEGER, NULL },
  { "-ngl|--gpu-layers|--n-gpu-layers", INTEGER_OR_WORD, "auto|all" },
  { "-sm|--split-mode", WORD, "none|layer|row" },
  { "-ts|--tensor-split", NUMBERS, NULL },
  { "-mg|--main-gpu", INTEGER, NULL },
  { "-fa|--flash-attn", MAYBE_WORD, "on|off|auto" },
  { "-ctk|--cache-type-k|-ctv|--cache-type-v", WORD, CACHE_TYPES },
  { "-dt|--defrag-thold", NUMBER, NULL },
  { "-cram|--cache-ram|--cache-reuse|--ctx-checkpoints|--swa-checkpoints", INTEGER, NULL },
  { "-ncmoe|--n-cpu-moe", INTEGER, NULL },
  { "-cmoe|--cpu-moe|--swa-full|-kvu|--kv-unified|--no-kv-unified|-nkvo|--no-kv-offload|--kv-offload|-nr|--no-repack|--no-op-offload", NOTHING, NULL },
  { "--no-mmap|--mmap|--mlock|--no-warmup|--context-shift|--no-context-shift|-cb|--cont-batching|-nocb|--no-cont-batching", NOTHING, NULL },
  { "--cache-prompt|--no-cache-prompt|--no-mmproj-offload|--check-tensors", NOTHING, NULL },
  { "--numa", WORD, "distribute|isolate|numactl" },
  { "--poll", INTEGER, NULL },
  { "--fit", WORD, "on|off" },
  { "--rope-scaling", WORD, "none|linear|yarn" },
  { "--rope-scale|--rope-freq-base|--rope-freq-scale|--yarn-ext-factor|--yarn-attn-factor|--yarn-beta-slow|--yarn-beta-fast", NUMBER, NULL },
  { "--yarn-orig-ctx", INTEGER, NULL },
  { "-s|--seed|--top-k|--repeat-last-n|--dry-allowed-length|--dry-penalty-last-n|--mirostat", INTEGER, NULL },
  { "--temp|--temperature|--top-p|--min-p|--typical|--typical-p|--top-nsigma|--top-n-sigma|--xtc-probability|--xtc-threshold", NUMBER, NULL },
  { "--repeat-penalty|--presence-penalty|--frequency-penalty|--dry-multiplier|--dry-base|--dynatemp-range|--dynatemp-exp", NUMBER, NULL },
  { "--mirostat-lr|--mirostat-ent|-sps|--slot-prompt-similarity", NUMBER, NULL },
  { "--ignore-eos|--no-escape|-e|--escape", NOTHING, NULL },
  { "--reasoning-budget", INTEGER, NULL },
  { "--reasoning-format", WORD, "none|auto|deepseek|deepseek-legacy" },
  { "-rea|--reasoning", WORD, "on|off|auto" },
  { "--pooling", WORD, "none|mean|cls|last|rank" },
  { "--embedding|--embeddings|--rerank|--reranking", NOTHING, NULL },
  { "--embd-normalize|--image-min-tokens|--image-max-tokens|-to|--timeout", INTEGER, NULL },
};

static gboolean
is_one_of (const char *words, const char *word)
{
  g_auto (GStrv) all = g_strsplit (words, "|", -1);

  return g_strv_contains ((const char *const *) all, word);
}

static gboolean
is_value (Value value, const char *words, const char *text)
{
  gboolean integer = g_regex_match_simple ("^-?[0-9]{1,10}$", text, G_REGEX_DOLLAR_ENDONLY, 0);

  switch (value)
    {
    case NOTHING:
      return FALSE;
    case INTEGER:
      return integer;
    case NUMBER:
      return integer || g_regex_match_simple ("^-?[0-9]{1,10}\\.[0-9]{1,10}$", text, G_REGEX_DOLLAR_ENDONLY, 0);
    case NUMBERS:
      return g_regex_match_simple ("^[0-9]{1,6}(\\.[0-9]{1,6})?(,[0-9]{1,6}(\\.[0-9]{1,6})?){0,15}$", text, G_REGEX_DOLLAR_ENDONLY, 0);
    case INTEGER_OR_WORD:
      return integer || is_one_of (words, text);
    case WORD:
    case MAYBE_WORD:
    default:
      return is_one_of (words, text);
    }
}

static char *
show (const char *text)
{
  g_autofree char *cut = g_strndup (text, SHOWN_MAX);

  return g_strescape (cut, NULL);
}

static gboolean
refuse (const char *flag, GError **error)
{
  g_autofree char *shown = show (flag);

  if (g_str_equal (flag, "-c") || g_str_equal (flag, "--ctx-size"))
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The context size has an option of its own; it is not a flag (%s)", shown);
  else if (flag[0] != '-')
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "\"%s\" is not a flag of the engine", shown);
  else
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The engine may not be given %s: only flags for speed, memory and sampling are allowed", shown);
  return FALSE;
}

gboolean
creel_engine_flags_check (const char *const *flags, GError **error)
{
  if (g_strv_length ((char **) flags) > CREEL_ENGINE_MAX_FLAGS)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "An engine is given at most %d words", CREEL_ENGINE_MAX_FLAGS);
      return FALSE;
    }
  for (; *flags != NULL; flags++)
    {
      gboolean ok;
      guint i = 0;

      while (i < G_N_ELEMENTS (table) && !is_one_of (table[i].names, *flags))
        i++;
      if (i == G_N_ELEMENTS (table))
        return refuse (*flags, error);
      if (table[i].value == NOTHING)
        continue;
      ok = flags[1] != NULL && is_value (table[i].value, table[i].words, flags[1]);
      if (!ok && table[i].value != MAYBE_WORD)
        {
          g_autofree char *shown = flags[1] != NULL ? show (flags[1]) : NULL;

          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s needs %s%s, not %s%s%s", *flags,
                       table[i].words != NULL ? "one of " : "a number", table[i].words != NULL ? table[i].words : "",
                       shown != NULL ? "\"" : "", shown != NULL ? shown : "nothing", shown != NULL ? "\"" : "");
          return FALSE;
        }
      if (ok)
        flags++;
    }
  return TRUE;
}
