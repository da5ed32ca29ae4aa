/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-build-ignore.h"
#include "creel-containerfile.h"
#include "creel-error.h"

/* "RUN 2 [a][b]" a line: kind, line number, words, options of COPY. */
static char *
dump (const CreelContainerfile *file)
{
  static const char *const kinds[] = { "RUN", "COPY", "ENV", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT" };
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "FROM %u [%s]", file->from_line, file->from);
  for (guint i = 0; i < file->steps->len; i++)
    {
      CreelStep *step = file->steps->pdata[i];

      g_string_append_printf (text, "\n%s %u ", kinds[step->kind], step->line);
      for (char **word = step->words; *word != NULL; word++)
        g_string_append_printf (text, "[%s]", *word);
      if (step->owner != NULL)
        g_string_append_printf (text, " owner=%s", step->owner);
      if (step->mode != NULL)
        g_string_append_printf (text, " mode=%s", step->mode);
    }
  return g_string_free (text, FALSE);
}

#define SH "[/bin/sh][-c]"

static const struct
{
  const char *why, *text, *expected;
} good[] = {
  { "the least there is", "FROM shell", "FROM 1 [shell]" },
  { "a name with a host, port, tag and digest is one word", "FROM localhost:5000/a/b:1@sha256:00", "FROM 1 [localhost:5000/a/b:1@sha256:00]" },
  { "the name of the only stage is of no use, but no error", "FROM shell AS base\n", "FROM 1 [shell]" },
  { "instructions in any case", "from shell\nrUn x", "FROM 1 [shell]\nRUN 2 " SH "[x]" },
  { "blank lines, comments, indentation", "# a\n\n  # b\n\t FROM shell \n\n RUN x\t\n", "FROM 4 [shell]\nRUN 6 " SH "[x]" },
  { "no line end at the end", "FROM shell\nRUN x", "FROM 1 [shell]\nRUN 2 " SH "[x]" },
  { "line ends of Windows", "FROM shell\r\nRUN a \\\r\n b\r\n", "FROM 1 [shell]\nRUN 2 " SH "[a  b]" },
  { "a byte order mark", "\xef\xbb\xbf" "FROM shell", "FROM 1 [shell]" },
  { "directives that change nothing", "# syntax=docker/dockerfile:1\n# escape=\\\nFROM shell", "FROM 3 [shell]" },
  { "escape= in an ordinary comment is none", "# hello\n# escape=`\nFROM shell", "FROM 3 [shell]" },
  { "a continued line has the number of its first", "FROM shell\nRUN a \\\n  b\nRUN c", "FROM 1 [shell]\nRUN 2 " SH "[a   b]\nRUN 4 " SH "[c]" },
  { "blanks after the backslash", "FROM shell\nRUN a \\ \t\nb", "FROM 1 [shell]\nRUN 2 " SH "[a b]" },
  { "a comment inside a continued line", "FROM shell\nRUN a \\\n # no\n b", "FROM 1 [shell]\nRUN 2 " SH "[a  b]" },
  { "a blank line inside one", "FROM shell\nRUN a \\\n\n b", "FROM 1 [shell]\nRUN 2 " SH "[a  b]" },
  { "a backslash that is itself escaped ends the line", "FROM shell\nRUN a \\\\\nRUN b", "FROM 1 [shell]\nRUN 2 " SH "[a \\\\]\nRUN 3 " SH "[b]" },
  { "a continuation that the file ends in", "FROM shell\nRUN a \\\n", "FROM 1 [shell]\nRUN 2 " SH "[a]" },
  { "the shell expands RUN, not we", "FROM shell\nENV A=1\nRUN echo $A \"$A\" '$A'", "FROM 1 [shell]\nENV 2 [A=1]\nRUN 3 " SH "[echo $A \"$A\" '$A']" },
  { "a # inside a command", "FROM shell\nRUN echo '#' # x", "FROM 1 [shell]\nRUN 2 " SH "[echo '#' # x]" },
  { "exec form", "FROM shell\nRUN [\"a b\", \"c\\\"d\", \"\\u00e9\\ud83e\\udd9e\"]", "FROM 1 [shell]\nRUN 2 [a b][c\"d][\u00e9\U0001f99e]" },
  { "exec form is not expanded", "FROM shell\nRUN [\"$A\"]", "FROM 1 [shell]\nRUN 2 [$A]" },
  { "a test of the shell is no list", "FROM shell\nRUN [ -f x ] && y", "FROM 1 [shell]\nRUN 2 " SH "[[ -f x ] && y]" },
  { "a list over several lines", "FROM shell\nRUN [\"a\", \\\n \"b\"]", "FROM 1 [shell]\nRUN 2 [a][b]" },
  { "two less-than signs that are arithmetic, not a here-document", "FROM shell\nRUN echo $((1<<2)) && cat <<<x", "FROM 1 [shell]\nRUN 2 " SH "[echo $((1<<2)) && cat <<<x]" },
  { "<< in quotes is text", "FROM shell\nRUN echo 'a <<EOF'", "FROM 1 [shell]\nRUN 2 " SH "[echo 'a <<EOF']" },
  { "COPY to a file", "FROM shell\nCOPY a /b", "FROM 1 [shell]\nCOPY 2 [a][/b]" },
  { "COPY to a folder keeps the slash", "FROM shell\nCOPY a b/* /c/", "FROM 1 [shell]\nCOPY 2 [a][b/*][/c/]" },
  { "COPY to . is the working directory", "FROM shell\nWORKDIR /w\nCOPY a .", "FROM 1 [shell]\nWORKDIR 2 [/w]\nCOPY 3 [a][/w/]" },
  { "COPY to a relative path", "FROM shell\nWORKDIR /w\nCOPY a b", "FROM 1 [shell]\nWORKDIR 2 [/w]\nCOPY 3 [a][/w/b]" },
  { "the base's working directory counts", "FROM shell\nCOPY a b", "FROM 1 [shell]\nCOPY 2 [a][/b]" },
  { "COPY to the root", "FROM shell\nCOPY a /", "FROM 1 [shell]\nCOPY 2 [a][/]" },
  { "dots in the target are taken away", "FROM shell\nCOPY a /x/../../y/./z/", "FROM 1 [shell]\nCOPY 2 [a][/y/z/]" },
  { "COPY as a list, for names with blanks", "FROM shell\nCOPY [\"a b\", \"/c d\"]", "FROM 1 [shell]\nCOPY 2 [a b][/c d]" },
  { "COPY with an owner", "FROM shell\nCOPY --chown=agent:agent a /b", "FROM 1 [shell]\nCOPY 2 [a][/b] owner=agent:agent" },
  { "COPY with mode alone", "FROM shell\nCOPY --chmod=0755 a /b", "FROM 1 [shell]\nCOPY 2 [a][/b] mode=0755" },
  { "COPY with both, in any order", "FROM shell\nCOPY --chmod=644 --chown=1000:100 a /b", "FROM 1 [shell]\nCOPY 2 [a][/b] owner=1000:100 mode=644" },
  { "COPY expands", "FROM shell\nENV D=/x\nCOPY $D/a ${D}/b", "FROM 1 [shell]\nENV 2 [D=/x]\nCOPY 3 [/x/a][/x/b]" },
  { "ENV of several", "FROM shell\nENV A=1 B=\"2 3\" C='4 5' D=6\\ 7", "FROM 1 [shell]\nENV 2 [A=1]\nENV 2 [B=2 3]\nENV 2 [C=4 5]\nENV 2 [D=6 7]" },
  { "ENV in its old form", "FROM shell\nENV A b  c", "FROM 1 [shell]\nENV 2 [A=b  c]" },
  { "ENV that is empty", "FROM shell\nENV A= B=", "FROM 1 [shell]\nENV 2 [A=]\nENV 2 [B=]" },
  { "one ENV sees what was before it", "FROM shell\nENV A=1\nENV A=2 B=$A", "FROM 1 [shell]\nENV 2 [A=1]\nENV 3 [A=2]\nENV 3 [B=1]" },
  { "an equals sign in a value", "FROM shell\nENV A=b=c", "FROM 1 [shell]\nENV 2 [A=b=c]" },
  { "the base's environment", "FROM shell\nENV PATH=/opt/bin:$PATH", "FROM 1 [shell]\nENV 2 [PATH=/opt/bin:/usr/bin:/bin]" },
  { "no expansion in single quotes or after a backslash", "FROM shell\nENV A='$PATH' B=\\$PATH C=\"\\$PATH\"", "FROM 1 [shell]\nENV 2 [A=$PATH]\nENV 2 [B=$PATH]\nENV 2 [C=$PATH]" },
  { "all forms of a variable", "FROM shell\nENV E= F=f\nENV A=${N:-x} B=${F:-x} C=${E:-x} D=${E-x} G=${F:+y} H=${E:+y} I=${E+y} J=${N+y} K=$N.",
    "FROM 1 [shell]\nENV 2 [E=]\nENV 2 [F=f]\nENV 3 [A=x]\nENV 3 [B=f]\nENV 3 [C=x]\nENV 3 [D=]\nENV 3 [G=y]\nENV 3 [H=]\nENV 3 [I=y]\nENV 3 [J=]\nENV 3 [K=.]" },
  { "variables inside variables", "FROM shell\nENV A=${N:-${M:-\"}\"}}", "FROM 1 [shell]\nENV 2 [A=}]" },
  { "a lone dollar sign", "FROM shell\nENV A=$ B=a$- C=\"$\"", "FROM 1 [shell]\nENV 2 [A=$]\nENV 2 [B=a$-]\nENV 2 [C=$]" },
  { "WORKDIR goes on from the last", "FROM shell\nWORKDIR /a\nWORKDIR b/../c\nWORKDIR $PATH", "FROM 1 [shell]\nWORKDIR 2 [/a]\nWORKDIR 3 [/a/c]\nWORKDIR 4 [/usr/bin:/bin]" },
  { "WORKDIR with blanks", "FROM shell\nWORKDIR /a b\nWORKDIR \"/c d\"", "FROM 1 [shell]\nWORKDIR 2 [/a b]\nWORKDIR 3 [/c d]" },
  { "USER", "FROM shell\nUSER agent\nUSER 1000:100", "FROM 1 [shell]\nUSER 2 [agent]\nUSER 3 [1000:100]" },
  { "CMD and ENTRYPOINT in both forms", "FROM shell\nENTRYPOINT [\"a\"]\nCMD b c", "FROM 1 [shell]\nENTRYPOINT 2 [a]\nCMD 3 " SH "[b c]" },
  { "none of them", "FROM shell\nENTRYPOINT []\nCMD [ ]", "FROM 1 [shell]\nENTRYPOINT 2 \nCMD 3 " },
  { "ARG with its value", "FROM shell\nARG V=1\nENV W=$V", "FROM 1 [shell]\nARG 2 [V=1]\nENV 3 [W=1]" },
  { "ARG from the caller", "FROM shell\nARG GIVEN=1\nENV W=$GIVEN", "FROM 1 [shell]\nARG 2 [GIVEN=caller]\nENV 3 [W=caller]" },
  { "ARG without a value is not set", "FROM shell\nARG V\nENV W=${V-none}", "FROM 1 [shell]\nENV 3 [W=none]" },
  { "ENV wins over ARG", "FROM shell\nENV V=env\nARG V=arg\nENV W=$V", "FROM 1 [shell]\nENV 2 [V=env]\nENV 4 [W=env]" },
  { "ARG before FROM is for FROM", "ARG BASE=shell\nFROM ${BASE}:1\nENV A=${BASE:-gone}", "FROM 2 [shell:1]\nENV 3 [A=gone]" },
  { "and for an ARG that takes it in", "ARG V=1\nFROM shell\nARG V\nENV A=$V", "FROM 2 [shell]\nARG 3 [V=1]\nENV 4 [A=1]" },
  { "several ARG in one", "FROM shell\nARG A=1 B=$A", "FROM 1 [shell]\nARG 2 [A=1]\nARG 2 [B=1]" },
};

static CreelContainerfile *
parse (const char *text, gsize length, GError **error)
{
  g_autoptr (CreelContainerfileBase) base = creel_containerfile_base_new ();

  g_hash_table_insert (base->environment, g_strdup ("PATH"), g_strdup ("/usr/bin:/bin"));
  if (g_strstr_len (text, length, "GIVEN") != NULL)
    g_hash_table_insert (base->arguments, g_strdup ("GIVEN"), g_strdup ("caller"));
  return creel_containerfile_parse (text, length, "F", base, error);
}

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelContainerfile) file = NULL;
      g_autofree char *text = NULL;

      g_test_message ("%s", good[i].why);
      file = parse (good[i].text, strlen (good[i].text), &error);
      g_assert_no_error (error);
      text = dump (file);
      g_assert_cmpstr (text, ==, good[i].expected);
    }
}

static const struct
{
  const char *why, *text, *expected;
} bad[] = {
  { "nothing", "", "F:1: There is no FROM" },
  { "comments alone", "# x\n\n", "F:2: There is no FROM" },
  { "a step without a base", "RUN x\nFROM shell", "F:1: RUN before FROM" },
  { "an unknown instruction before FROM is named as such", "\nHELO x", "F:2: HELO is not supported; FROM" },
  { "FROM of nothing", "FROM", "F:1: FROM wants one image" },
  { "FROM of a variable that is empty", "FROM $X", "F:1: FROM wants the name" },
  { "FROM of too much", "FROM a b", "F:1: FROM wants one image" },
  { "scratch has no kernel's friends: no shell, no anything", "FROM scratch", "F:1: FROM scratch is not supported" },
  { "another platform", "FROM --platform=linux/arm64 shell", "F:1: FROM --platform is not supported" },
  { "stages", "FROM a\nRUN x\nFROM b", "F:3: A second FROM" },
  { "an instruction that is not there, with its line", "FROM shell\n\n\nVOLUME /x", "F:4: VOLUME is not supported; FROM, ARG" },
  { "in lower case too", "FROM shell\nexpose 80", "F:2: EXPOSE is not supported" },
  { "ADD says what to do instead", "FROM shell\nADD a b", "F:2: ADD is not supported; COPY" },
  { "SHELL too", "FROM shell\nSHELL [\"x\"]", "F:2: SHELL is not supported; write RUN" },
  { "what is no word is not repeated", "FROM shell\n\xc3\xa4\xc3\xa4 x", "F:2: ???? is not supported" },
  { "RUN of nothing", "FROM shell\nRUN", "F:2: RUN wants a command" },
  { "RUN of an empty list", "FROM shell\nRUN []", "F:2: RUN wants a command" },
  { "RUN of a command without a name", "FROM shell\nRUN [\"\"]", "F:2: RUN wants a command" },
  { "RUN with an option: a cache that is silently missing would be worse", "FROM shell\nRUN --mount=type=cache,target=/x y", "F:2: RUN --mount is not supported" },
  { "another network would be another policy", "FROM shell\nRUN --network=none y", "F:2: RUN --network is not supported" },
  { "here-documents", "FROM shell\nRUN <<EOF\nx\nEOF", "F:2: Here-documents" },
  { "with a command in front", "FROM shell\nRUN cat <<-'EOF' > /x\nx\nEOF", "F:2: Here-documents" },
  { "in COPY", "FROM shell\nCOPY <<EOF /x\nx\nEOF", "F:2: Here-documents" },
  { "COPY of one word", "FROM shell\nCOPY a", "F:2: COPY wants what" },
  { "COPY from another stage", "FROM shell\nCOPY --from=x a b", "F:2: COPY --from is not supported" },
  { "options of COPY that are not there", "FROM shell\nCOPY --link a b", "F:2: COPY --link is not supported" },
  { "an option with a prefix of a known name", "FROM shell\nCOPY --chow=x a b", "F:2: COPY --chow is not supported" },
  { "an option without a value", "FROM shell\nCOPY --chown a b", "F:2: COPY --chown needs a value" },
  { "an owner that is none", "FROM shell\nCOPY --chown=a:b:c a b", "F:2: COPY --chown wants" },
  { "an owner that would be an option", "FROM shell\nCOPY --chown=-R a b", "F:2: COPY --chown wants" },
  { "a mode in words", "FROM shell\nCOPY --chmod=u+x a b", "F:2: COPY --chmod wants an octal" },
  { "several files into one", "FROM shell\nCOPY a b /c", "F:2: COPY of several files: \"/c\" must end" },
  { "a source that is empty after expansion would be everything", "FROM shell\nCOPY $X /c", "F:2: COPY: word 1 is empty" },
  { "quotes do not join words of COPY", "FROM shell\nCOPY \"a b\" /c/", "F:2: A double quote is not closed" },
  { "ENV of nothing", "FROM shell\nENV", "F:2: ENV wants" },
  { "ENV of a name", "FROM shell\nENV A", "F:2: ENV A has no value" },
  { "ENV with a word that is no pair", "FROM shell\nENV A=1 B", "F:2: ENV: \"B\" is not" },
  { "ENV with a name that no shell could read", "FROM shell\nENV 1A=1", "F:2: ENV: \"1A\" cannot" },
  { "ENV without a name", "FROM shell\nENV =1", "F:2: ENV: \"\" cannot" },
  { "a quote that stays open", "FROM shell\nENV A=\"1", "F:2: A double quote" },
  { "a single one", "FROM shell\nENV A='1", "F:2: A single quote" },
  { "a brace that stays open", "FROM shell\nENV A=${B", "F:2: ${B has no closing brace" },
  { "a brace around nothing", "FROM shell\nENV A=${}", "F:2: \"${\" is not followed" },
  { "patterns in variables", "FROM shell\nENV A=${B#x}", "F:2: In ${B...} only" },
  { "a variable that must be there", "FROM shell\nENV A=\"${B:?say B}\"", "F:2: B is not set: say B" },
  { "variables without end", "FROM shell\nENV A=${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-${B:-x}}}}}}}}}}}}}}}}}", "F:2: Too many" },
  { "WORKDIR of nothing", "FROM shell\nWORKDIR", "F:2: WORKDIR wants" },
  { "USER of two", "FROM shell\nUSER a b", "F:2: USER wants" },
  { "USER of nothing", "FROM shell\nUSER ${X}", "F:2: USER wants" },
  { "a list in single quotes: Docker makes nonsense of it, silently", "FROM shell\nCMD ['a']", "F:2: CMD looks like a list" },
  { "CMD of nothing", "FROM shell\nCMD", "F:2: CMD wants" },
  { "ENTRYPOINT without a name", "FROM shell\nENTRYPOINT [\"\", \"x\"]", "F:2: The command of ENTRYPOINT" },
  { "ARG of nothing", "FROM shell\nARG", "F:2: ARG wants" },
  { "ARG with a bad name", "FROM shell\nARG a/b=1", "F:2: \"a/b\" cannot be the name of an ARG" },
  { "an argument that nothing takes", "# GIVEN\nFROM shell\n", "F:2: No ARG takes the argument \"GIVEN\"" },
  { "another escape", "# escape=`\nFROM shell", "F:1: The directive escape=" },
  { "control bytes", "FROM shell\nRUN a\x1b[31m", "F:2: It holds a control byte" },
  { "the line of the byte, not of the instruction", "FROM shell\nRUN a \\\n b \\\n c\x07", "F:4: It holds a control byte" },
  { "not UTF-8", "FROM shell\nRUN \xff", "F:2: It is not UTF-8" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelContainerfile) file = NULL;

      g_test_message ("%s", bad[i].why);
      file = parse (bad[i].text, strlen (bad[i].text), &error);
      g_assert_null (file);
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
      if (!g_str_has_prefix (error->message, bad[i].expected))
        g_assert_cmpstr (error->message, ==, bad[i].expected);
    }
}

/* Everything has an end. */
static void
test_limits (void)
{
  g_autoptr (GString) many = g_string_new ("FROM shell\n");
  g_autoptr (GString) large = g_string_new ("FROM shell\nRUN ");
  g_autoptr (GString) bomb = g_string_new ("FROM shell\nENV A=aaaaaaaaaaaaaaaa\n");
  g_autofree char *huge = g_malloc0 (CREEL_CONTAINERFILE_MAX_BYTES + 1);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i <= CREEL_CONTAINERFILE_MAX_STEPS; i++)
    g_string_append (many, "RUN x\n");
  g_assert_null (parse (many->str, many->len, &error));
  g_assert_cmpstr (error->message, ==, "F:1002: More than 1000 steps");
  g_clear_error (&error);

  for (guint i = 0; i < 110; i++)
    {
      for (guint j = 0; j < 1020; j++)
        g_string_append_c (large, 'x');
      g_string_append (large, "\\\n");
    }
  g_assert_null (parse (large->str, large->len, &error));
  g_assert_cmpstr (error->message, ==, "F:2: The instruction is longer than 100 KiB");
  g_clear_error (&error);

  /* doubles with every line */
  for (guint i = 0; i < 40; i++)
    g_string_append (bomb, "ENV A=$A$A\n");
  g_assert_null (parse (bomb->str, bomb->len, &error));
  g_assert_nonnull (strstr (error->message, "longer than 256 KiB"));
  g_clear_error (&error);

  g_assert_null (parse (huge, CREEL_CONTAINERFILE_MAX_BYTES + 1, &error));
  g_assert_cmpstr (error->message, ==, "F:1: It is larger than 1 MiB");
  g_clear_error (&error);
  g_assert_null (parse (huge, 10, &error));
  g_assert_cmpstr (error->message, ==, "F:1: It holds a NUL byte");
}

static const struct
{
  const char *pattern, *path;
  gboolean deep, matches;
} globs[] = {
  { "a", "a", FALSE, TRUE },           { "a", "b", FALSE, FALSE },          { "*", "a", FALSE, TRUE },
  { "*", "", FALSE, TRUE },            { "*", "a/b", FALSE, FALSE },        { "*.c", ".c", FALSE, TRUE },
  { "a*b*c", "aXbYc", FALSE, TRUE },   { "a*b*c", "aXbY", FALSE, FALSE },   { "?", "\u00e9", FALSE, TRUE },
  { "?", "/", FALSE, FALSE },          { "[a-c]", "b", FALSE, TRUE },       { "[^a-c]", "b", FALSE, FALSE },
  { "[^a-c]", "/", FALSE, FALSE },     { "[]a]", "]", FALSE, TRUE },        { "[a", "a", FALSE, FALSE },
  { "\\*", "*", FALSE, TRUE },         { "\\*", "a", FALSE, FALSE },        { "[\\]]", "]", FALSE, TRUE },
  { "a-[-x]", "a--", FALSE, TRUE },    { "**", "a/b", FALSE, FALSE },       { "**", "a/b", TRUE, TRUE },
  { "**/x", "x", TRUE, TRUE },         { "**/x", "a/b/x", TRUE, TRUE },     { "**/x", "ax", TRUE, FALSE },
  { "a/**/x", "a/x", TRUE, TRUE },     { "a/**/x", "a/b/c/x", TRUE, TRUE }, { "a/**", "a/b", TRUE, TRUE },
  { "a/**", "a", TRUE, FALSE },        { "*/x", "a/b/x", TRUE, FALSE },     { "a**b", "a/x/b", TRUE, TRUE },
  { "**/*.c", "a/b.c", TRUE, TRUE },   { "**/", "a/", TRUE, TRUE },
};

static void
test_globs (void)
{
  g_autofree char *slow = g_strnfill (1000, 'a');
  g_autoptr (GString) stars = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (globs); i++)
    {
      g_test_message ("%s against %s", globs[i].pattern, globs[i].path);
      g_assert_cmpint (creel_glob_match (globs[i].pattern, globs[i].path, globs[i].deep), ==, globs[i].matches);
    }
  /* what takes a matcher that goes back and forth for ever */
  for (guint i = 0; i < 100; i++)
    g_string_append (stars, "*a");
  g_string_append (stars, "b");
  g_assert_false (creel_glob_match (stars->str, slow, FALSE));
}

static void
test_ignore (void)
{
  static const char text[] = "# a comment\n\n  *.log \nnode_modules\n/build//x/\n**/secret*\nkeep\n!keep/this\n!keep/that.log\n*.tmp";
  static const struct
  {
    const char *path;
    gboolean ignored;
  } cases[] = {
    { "a.log", TRUE },         { "a/b.log", FALSE },        { "node_modules", TRUE },  { "node_modules/x/y", TRUE },
    { "a/node_modules", FALSE }, { "build", FALSE },        { "build/x", TRUE },       { "build/x/y", TRUE },
    { "secret", TRUE },        { "a/b/secrets.txt", TRUE }, { "a/secret/b", TRUE },    { "keep", TRUE },
    { "keep/other", TRUE },    { "keep/this", FALSE },      { "keep/this/too", FALSE }, { "keep/that.log", FALSE },
    { "a.tmp", TRUE },         { "# a comment", FALSE },    { "", FALSE },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelBuildIgnore) ignore = creel_build_ignore_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_true (creel_build_ignore_has_exceptions (ignore));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].path);
      g_assert_cmpint (creel_build_ignore_matches (ignore, cases[i].path), ==, cases[i].ignored);
    }
  g_assert_null (creel_build_ignore_parse ("a\n[b", 4, &error));
  g_assert_cmpstr (error->message, ==, "2: A bracket is not closed");
  g_clear_error (&error);
  g_assert_null (creel_build_ignore_parse ("!", 1, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/containerfile/good", test_good);
  g_test_add_func ("/image/containerfile/bad", test_bad);
  g_test_add_func ("/image/containerfile/limits", test_limits);
  g_test_add_func ("/image/containerfile/globs", test_globs);
  g_test_add_func ("/image/containerfile/ignore", test_ignore);
  return g_test_run ();
}
