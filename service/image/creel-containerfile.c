/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-containerfile.h"

#include <string.h>

#include "creel-error.h"

#define SUPPORTED "FROM, ARG, RUN, COPY, ENV, WORKDIR, USER, CMD and ENTRYPOINT are"
#define MAX_INSTRUCTION (100 * 1024) /* a command and its environment have 128 KiB on their way into the guest */
#define MAX_PATH 4095

/* The file while it is read. */
typedef struct
{
  CreelContainerfile *file;
  const CreelContainerfileBase *base;
  CreelVariables *environment; /* ENV so far, and the base's */
  CreelVariables *global;      /* ARG before FROM */
  CreelVariables *arguments;   /* ARG so far */
  GHashTable *used;            /* arguments of the caller that an ARG takes */
  char *working_dir;
  guint line;
} Parse;

static CreelVariables *
variables_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

CreelContainerfileBase *
creel_containerfile_base_new (void)
{
  CreelContainerfileBase *base = g_new0 (CreelContainerfileBase, 1);

  base->environment = variables_new ();
  base->arguments = variables_new ();
  base->working_dir = g_strdup ("/");
  return base;
}

void
creel_containerfile_base_free (CreelContainerfileBase *base)
{
  g_hash_table_unref (base->environment);
  g_hash_table_unref (base->arguments);
  g_free (base->working_dir);
  g_free (base);
}

static void
step_free (gpointer data)
{
  CreelStep *step = data;

  g_strfreev (step->words);
  g_free (step->owner);
  g_free (step->mode);
  g_free (step);
}

void
creel_containerfile_free (CreelContainerfile *file)
{
  g_ptr_array_unref (file->steps);
  g_free (file->from);
  g_free (file);
}

static gboolean refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, format, args);
  va_end (args);
  return FALSE;
}

static void
copy_variables (CreelVariables *from, CreelVariables *to)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, from);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (to, g_strdup (key), g_strdup (value));
}

/* What a word may refer to: ENV wins over ARG. */
static CreelVariables *
visible (Parse *parse)
{
  CreelVariables *all = variables_new ();

  copy_variables (parse->arguments, all);
  copy_variables (parse->environment, all);
  return all;
}

static CreelStep *
add_step (Parse *parse, CreelStepKind kind, char **words)
{
  CreelStep *step = g_new0 (CreelStep, 1);

  step->kind = kind;
  step->line = parse->line;
  step->words = words;
  g_ptr_array_add (parse->file->steps, step);
  return step;
}

static void
add_step_word (Parse *parse, CreelStepKind kind, char *word)
{
  char **words = g_new0 (char *, 2);

  words[0] = word;
  add_step (parse, kind, words);
}

static char *
expand (Parse *parse, const char *text, GError **error)
{
  g_autoptr (CreelVariables) variables = visible (parse);

  return creel_words_expand (text, variables, error);
}

/* Takes "--NAME=VALUE" words off the front of *text. A flag that is not in `known` is an error. */
static gboolean
take_flags (const char **text, const char *instruction, const char *const *known, char **const *values, GError **error)
{
  while (TRUE)
    {
      const char *p = *text + strspn (*text, " \t");
      gsize length = strcspn (p, " \t");
      gsize name = MIN (strcspn (p, "="), length);
      guint i = 0;

      *text = p;
      if (p[0] != '-' || p[1] != '-')
        return TRUE;
      while (known[i] != NULL && (strlen (known[i]) != name || strncmp (known[i], p, name) != 0))
        i++;
      if (known[i] == NULL)
        return refuse (error, "%s %.*s is not supported", instruction, (int) MIN (name, 64), p);
      if (name == length || name + 1 == length)
        return refuse (error, "%s %s needs a value: %s=...", instruction, known[i], known[i]);
      g_free (*values[i]);
      *values[i] = g_strndup (p + name + 1, length - name - 1);
      *text = p + length;
    }
}

static const char *const no_flags[] = { NULL };

static gboolean
take_from (Parse *parse, const char *rest, GError **error)
{
  g_auto (GStrv) words = NULL;
  guint n;

  if (parse->file->from != NULL)
    return refuse (error, "A second FROM: more than one stage is not supported");
  if (!take_flags (&rest, "FROM", no_flags, NULL, error))
    return FALSE;
  words = creel_words_split (rest);
  n = g_strv_length (words);
  /* AS NAME is for later stages, of which there are none */
  if (n != 1 && !(n == 3 && g_ascii_strcasecmp (words[1], "as") == 0))
    return refuse (error, "FROM wants one image");
  parse->file->from = creel_words_expand (words[0], parse->global, error);
  if (parse->file->from == NULL)
    return FALSE;
  if (parse->file->from[0] == '\0' || strlen (parse->file->from) > 512)
    return refuse (error, "FROM wants the name of an image");
  if (g_str_equal (parse->file->from, "scratch"))
    return refuse (error, "FROM scratch is not supported: start from an image, \"shell\" for example");
  parse->file->from_line = parse->line;
  return TRUE;
}

/* The caller's value, else the file's. NULL: not set. */
static gboolean
take_arg (Parse *parse, const char *rest, GError **error)
{
  g_auto (GStrv) words = creel_words_split_quoted (rest);
  gboolean global = parse->file->from == NULL;

  if (words[0] == NULL)
    return refuse (error, "ARG wants NAME or NAME=VALUE");
  for (char **word = words; *word != NULL; word++)
    {
      const char *equals = strchr (*word, '=');
      g_autofree char *name = equals != NULL ? g_strndup (*word, equals - *word) : g_strdup (*word);
      const char *given = g_hash_table_lookup (parse->base->arguments, name);
      g_autofree char *value = NULL;

      if (!creel_words_is_name (name, -1))
        return refuse (error, "\"%.64s\" cannot be the name of an ARG", name);
      g_hash_table_add (parse->used, g_strdup (name));
      if (given != NULL)
        value = g_strdup (given);
      else if (equals != NULL)
        {
          value = global ? creel_words_expand (equals + 1, parse->global, error) : expand (parse, equals + 1, error);
          if (value == NULL)
            return FALSE;
        }
      else if (!global)
        value = g_strdup (g_hash_table_lookup (parse->global, name));
      if (value == NULL)
        continue;
      if (!global && !g_hash_table_contains (parse->environment, name))
        add_step_word (parse, CREEL_STEP_ARG, g_strconcat (name, "=", value, NULL));
      g_hash_table_insert (global ? parse->global : parse->arguments, g_steal_pointer (&name), g_steal_pointer (&value));
    }
  return TRUE;
}

static char **
shell_form (const char *text)
{
  char **words = g_new0 (char *, 4);

  words[0] = g_strdup ("/bin/sh");
  words[1] = g_strdup ("-c");
  words[2] = g_strdup (text);
  return words;
}

static gboolean
take_run (Parse *parse, const char *rest, GError **error)
{
  char **words;

  if (!take_flags (&rest, "RUN", no_flags, NULL, error))
    return FALSE;
  if (rest[0] == '\0')
    return refuse (error, "RUN wants a command");
  words = creel_words_parse_list (rest);
  if (words == NULL && creel_words_has_heredoc (rest))
    return refuse (error, "Here-documents (<<) are not supported; put the text into a file and COPY it");
  if (words == NULL)
    words = shell_form (rest); /* [ -f x ] && y is a command too */
  if (words[0] == NULL || words[0][0] == '\0')
    {
      g_strfreev (words);
      return refuse (error, "RUN wants a command");
    }
  add_step (parse, CREEL_STEP_RUN, words);
  return TRUE;
}

static gboolean
take_command (Parse *parse, CreelStepKind kind, const char *rest, GError **error)
{
  const char *name = kind == CREEL_STEP_CMD ? "CMD" : "ENTRYPOINT";
  char **words = creel_words_parse_list (rest);

  if (words == NULL && rest[0] == '[' && g_str_has_suffix (rest, "]"))
    return refuse (error, "%s looks like a list, but is none: each word in double quotes, with commas between", name);
  if (words == NULL && rest[0] == '\0')
    return refuse (error, "%s wants a command, or [] for none", name);
  if (words == NULL)
    words = shell_form (rest);
  if (words[0] != NULL && words[0][0] == '\0')
    {
      g_strfreev (words);
      return refuse (error, "The command of %s has no name", name);
    }
  add_step (parse, kind, words);
  return TRUE;
}

static gboolean
take_env (Parse *parse, const char *rest, GError **error)
{
  g_autoptr (CreelVariables) variables = visible (parse); /* all of one ENV see what was before it */
  g_auto (GStrv) words = creel_words_split_quoted (rest);

  if (words[0] == NULL)
    return refuse (error, "ENV wants NAME=VALUE");
  if (strchr (words[0], '=') == NULL)
    {
      /* the old form: ENV NAME one value with blanks */
      const char *value = rest + strlen (words[0]);

      if (words[1] == NULL)
        return refuse (error, "ENV %.64s has no value; write NAME=VALUE", words[0]);
      value += strspn (value, " \t");
      {
        g_autofree char *pair = g_strconcat (words[0], "=", value, NULL);

        g_strfreev (words);
        words = g_new0 (char *, 2);
        words[0] = g_steal_pointer (&pair);
      }
    }
  for (char **word = words; *word != NULL; word++)
    {
      const char *equals = strchr (*word, '=');
      g_autofree char *name = NULL;
      g_autofree char *value = NULL;

      if (equals == NULL)
        return refuse (error, "ENV: \"%.64s\" is not NAME=VALUE", *word);
      name = g_strndup (*word, equals - *word);
      if (!creel_words_is_name (name, -1))
        return refuse (error, "ENV: \"%.64s\" cannot be the name of a variable", name);
      value = creel_words_expand (equals + 1, variables, error);
      if (value == NULL)
        return FALSE;
      add_step_word (parse, CREEL_STEP_ENV, g_strconcat (name, "=", value, NULL));
      g_hash_table_insert (parse->environment, g_steal_pointer (&name), g_steal_pointer (&value));
    }
  return TRUE;
}

static gboolean
take_workdir (Parse *parse, const char *rest, GError **error)
{
  g_autofree char *path = expand (parse, rest, error);
  char *absolute;

  if (path == NULL)
    return FALSE;
  if (path[0] == '\0')
    return refuse (error, "WORKDIR wants a path");
  if (strlen (path) + strlen (parse->working_dir) > MAX_PATH)
    return refuse (error, "WORKDIR: the path is too long");
  absolute = g_canonicalize_filename (path, parse->working_dir);
  g_free (parse->working_dir);
  parse->working_dir = absolute;
  add_step_word (parse, CREEL_STEP_WORKDIR, g_strdup (absolute));
  return TRUE;
}

static gboolean
is_user (const char *text)
{
  const char *colon = strchr (text, ':');

  if (text[0] == '\0' || strlen (text) > 128 || colon == text || (colon != NULL && (colon[1] == '\0' || strchr (colon + 1, ':') != NULL)))
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr ("_.-:$@+", *p) == NULL)
      return FALSE;
  return text[0] != '-';
}

static gboolean
take_user (Parse *parse, const char *rest, GError **error)
{
  g_autofree char *user = expand (parse, rest, error);

  if (user == NULL)
    return FALSE;
  if (!is_user (user))
    return refuse (error, "USER wants a name or number, or USER:GROUP");
  add_step_word (parse, CREEL_STEP_USER, g_steal_pointer (&user));
  return TRUE;
}

static gboolean
is_mode (const char *text)
{
  return text[0] != '\0' && strlen (text) <= 4 && text[strspn (text, "01234567")] == '\0';
}

static char *
destination (Parse *parse, const char *word, GError **error)
{
  g_autofree char *path = NULL;
  gboolean folder = g_str_has_suffix (word, "/") || g_str_equal (word, ".") || g_str_has_suffix (word, "/.");

  if (word[0] == '\0' || strlen (word) + strlen (parse->working_dir) > MAX_PATH)
    {
      refuse (error, "COPY: where to? The path is %s", word[0] == '\0' ? "empty" : "too long");
      return NULL;
    }
  path = g_canonicalize_filename (word, parse->working_dir);
  return folder && !g_str_equal (path, "/") ? g_strconcat (path, "/", NULL) : g_steal_pointer (&path);
}

static gboolean
take_copy (Parse *parse, const char *rest, GError **error)
{
  static const char *const known[] = { "--chown", "--chmod", NULL };
  g_autoptr (CreelVariables) variables = visible (parse);
  g_auto (GStrv) words = NULL;
  g_autofree char *given_owner = NULL;
  g_autofree char *given_mode = NULL;
  g_autofree char *owner = NULL;
  g_autofree char *mode = NULL;
  char **const values[] = { &given_owner, &given_mode };
  CreelStep *step;
  guint n;

  if (!take_flags (&rest, "COPY", known, values, error) ||
      (given_owner != NULL && (owner = creel_words_expand (given_owner, variables, error)) == NULL) ||
      (given_mode != NULL && (mode = creel_words_expand (given_mode, variables, error)) == NULL))
    return FALSE;
  if (owner != NULL && !is_user (owner))
    return refuse (error, "COPY --chown wants USER or USER:GROUP");
  if (mode != NULL && !is_mode (mode))
    return refuse (error, "COPY --chmod wants an octal mode, 0755 for example");
  words = creel_words_parse_list (rest);
  if (words == NULL && creel_words_has_heredoc (rest))
    return refuse (error, "Here-documents (<<) are not supported; put the text into a file and COPY it");
  if (words == NULL)
    words = creel_words_split (rest);
  n = g_strv_length (words);
  if (n < 2)
    return refuse (error, "COPY wants what to copy, and where to");
  for (guint i = 0; i < n; i++)
    {
      char *word = creel_words_expand (words[i], variables, error);

      if (word == NULL)
        return FALSE;
      g_free (words[i]);
      words[i] = word;
      if (word[0] == '\0' || strlen (word) > MAX_PATH)
        return refuse (error, "COPY: word %u is %s", i + 1, word[0] == '\0' ? "empty" : "too long");
    }
  if (n > 2 && !g_str_has_suffix (words[n - 1], "/") && !g_str_equal (words[n - 1], ".") && !g_str_has_suffix (words[n - 1], "/."))
    return refuse (error, "COPY of several files: \"%.128s\" must end with a slash", words[n - 1]);
  {
    char *to = destination (parse, words[n - 1], error);

    if (to == NULL)
      return FALSE;
    g_free (words[n - 1]);
    words[n - 1] = to;
  }
  step = add_step (parse, CREEL_STEP_COPY, g_steal_pointer (&words));
  step->owner = g_steal_pointer (&owner);
  step->mode = g_steal_pointer (&mode);
  return TRUE;
}

static gboolean
take_instruction (Parse *parse, const char *text, GError **error)
{
  gsize length = strcspn (text, " \t");
  g_autofree char *name = g_ascii_strup (text, MIN (length, 64));
  const char *rest = text + length + strspn (text + length, " \t");

  if (g_str_equal (name, "ARG"))
    return take_arg (parse, rest, error);
  if (g_str_equal (name, "FROM"))
    return take_from (parse, rest, error);
  if (parse->file->from == NULL && g_strv_contains ((const char *const[]) { "RUN", "COPY", "ENV", "WORKDIR", "USER", "CMD", "ENTRYPOINT", NULL }, name))
    return refuse (error, "%s before FROM", name);
  if (g_str_equal (name, "RUN"))
    return take_run (parse, rest, error);
  if (g_str_equal (name, "COPY"))
    return take_copy (parse, rest, error);
  if (g_str_equal (name, "ENV"))
    return take_env (parse, rest, error);
  if (g_str_equal (name, "WORKDIR"))
    return take_workdir (parse, rest, error);
  if (g_str_equal (name, "USER"))
    return take_user (parse, rest, error);
  if (g_str_equal (name, "CMD"))
    return take_command (parse, CREEL_STEP_CMD, rest, error);
  if (g_str_equal (name, "ENTRYPOINT"))
    return take_command (parse, CREEL_STEP_ENTRYPOINT, rest, error);
  if (g_str_equal (name, "ADD"))
    return refuse (error, "ADD is not supported; COPY files, and fetch or unpack with RUN");
  if (g_str_equal (name, "SHELL"))
    return refuse (error, "SHELL is not supported; write RUN [\"bash\", \"-c\", \"...\"]");
  g_strcanon (name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", '?');
  return refuse (error, "%s is not supported; " SUPPORTED, name);
}

/* One line of the file without its end; NULL at the end of the file. */
static char *
next_line (const char **p, const char *end)
{
  const char *start = *p, *newline;
  gsize length;

  if (start >= end)
    return NULL;
  newline = memchr (start, '\n', end - start);
  *p = newline != NULL ? newline + 1 : end;
  length = (newline != NULL ? newline : end) - start;
  if (length > 0 && start[length - 1] == '\r')
    length--;
  return g_strndup (start, length);
}

static gboolean
check_bytes (const char *line, GError **error)
{
  const char *bad;

  if (!g_utf8_validate (line, -1, &bad))
    return refuse (error, "It is not UTF-8");
  for (const guchar *p = (const guchar *) line; *p != '\0'; p++)
    if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
      return refuse (error, "It holds a control byte");
  return TRUE;
}

/* Whether the line goes on: a \ at its end that is not itself after one. Cuts it off. */
static gboolean
cut_continuation (char *line)
{
  gsize length = strlen (line);

  while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
    length--;
  if (length == 0 || line[length - 1] != '\\' || (length > 1 && line[length - 2] == '\\'))
    return FALSE;
  line[length - 1] = '\0';
  return TRUE;
}

/* "# NAME=VALUE" at the top of the file. "syntax" and "check" say nothing that we could follow; with another escape the
 * file would mean something else. *ret_top: whether directives may still come. */
static gboolean
check_directive (const char *comment, gboolean *ret_top, GError **error)
{
  const char *name = comment + 1 + strspn (comment + 1, " \t");
  gsize length = strspn (name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
  const char *value = name + length + strspn (name + length, " \t");

  *ret_top = length > 0 && *value == '=';
  if (!*ret_top || length != strlen ("escape") || g_ascii_strncasecmp (name, "escape", length) != 0)
    return TRUE;
  value += 1 + strspn (value + 1, " \t");
  return *value == '\\' ? TRUE : refuse (error, "The directive escape= is not supported");
}

static gboolean
parse_lines (Parse *parse, const char *text, gsize length, GError **error)
{
  const char *p = text, *end = text + length;
  g_autoptr (GString) instruction = g_string_new (NULL);
  gboolean more = FALSE, top = TRUE;
  guint number = 0;
  char *next;

  while ((next = next_line (&p, end)) != NULL)
    {
      g_autofree char *line = next;
      const char *start = line + strspn (line, " \t");

      number++;
      if (!more)
        parse->line = number;
      if (!check_bytes (line, error))
        {
          parse->line = number;
          return FALSE;
        }
      if (*start == '#')
        {
          if (top && !check_directive (start, &top, error))
            return FALSE;
          continue; /* inside an instruction too */
        }
      top = FALSE;
      if (*start == '\0')
        continue;
      start = more ? line : start;
      {
        gboolean goes_on = cut_continuation (line);

        g_string_append (instruction, start);
        more = goes_on;
      }
      if (instruction->len > MAX_INSTRUCTION)
        return refuse (error, "The instruction is longer than 100 KiB");
      if (more)
        continue;
      g_strchomp (instruction->str);
      if (instruction->str[0] != '\0' && !take_instruction (parse, instruction->str, error))
        return FALSE;
      if (parse->file->steps->len > CREEL_CONTAINERFILE_MAX_STEPS)
        return refuse (error, "More than %d steps", CREEL_CONTAINERFILE_MAX_STEPS);
      g_string_truncate (instruction, 0);
    }
  g_strchomp (instruction->str);
  if (instruction->str[0] != '\0' && !take_instruction (parse, instruction->str, error))
    return FALSE;
  parse->line = MAX (number, 1);
  return parse->file->from != NULL ? TRUE : refuse (error, "There is no FROM");
}

static gboolean
check_arguments (Parse *parse, GError **error)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, parse->base->arguments);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_hash_table_contains (parse->used, key))
      return refuse (error, "No ARG takes the argument \"%.64s\"", (const char *) key);
  return TRUE;
}

CreelContainerfile *
creel_containerfile_parse (const char *text, gsize length, const char *origin, const CreelContainerfileBase *base, GError **error)
{
  g_autoptr (CreelContainerfile) file = g_new0 (CreelContainerfile, 1);
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (CreelVariables) environment = variables_new ();
  g_autoptr (CreelVariables) global = variables_new ();
  g_autoptr (CreelVariables) arguments = variables_new ();
  Parse parse = { file, base, environment, global, arguments, used, g_strdup (base->working_dir), 1 };
  gboolean ok;

  file->steps = g_ptr_array_new_with_free_func (step_free);
  copy_variables (base->environment, environment);
  if (length > CREEL_CONTAINERFILE_MAX_BYTES)
    ok = refuse (error, "It is larger than 1 MiB");
  else if (memchr (text, '\0', length) != NULL)
    ok = refuse (error, "It holds a NUL byte");
  else
    {
      gsize skip = length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

      ok = parse_lines (&parse, text + skip, length - skip, error) && check_arguments (&parse, error);
    }
  g_free (parse.working_dir);
  if (!ok)
    {
      g_prefix_error (error, "%s:%u: ", origin, parse.line);
      return NULL;
    }
  return g_steal_pointer (&file);
}
