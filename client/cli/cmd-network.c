/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "cli-journal.h"
#include "out-json.h"
#include "out-text.h"

static void
print_rules (const char *label, const char *const *rules)
{
  for (; rules != NULL && *rules != NULL; rules++)
    {
      g_autofree char *safe = out_printable (*rules, -1, FALSE);

      printf ("%-8s %s\n", label, safe);
    }
}

static int
show_policy (Cli *cli, CreelDBusSandbox *sandbox)
{
  const char *policy = creel_dbus_sandbox_get_policy (sandbox), *preset = creel_dbus_sandbox_get_preset (sandbox);

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_string (builder, "name", creel_dbus_sandbox_get_name (sandbox));
      out_json_string (builder, "policy", policy);
      out_json_string (builder, "preset", preset);
      out_json_strings (builder, "allow", creel_dbus_sandbox_get_allow (sandbox));
      out_json_strings (builder, "ask", creel_dbus_sandbox_get_ask (sandbox));
      out_json_strings (builder, "approved", creel_dbus_sandbox_get_approved (sandbox));
      out_json_strings (builder, "deny", creel_dbus_sandbox_get_deny (sandbox));
      out_json_strings (builder, "bypass", creel_dbus_sandbox_get_bypass (sandbox));
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
      return CLI_OK;
    }
  printf ("%-8s %s\n", "policy", policy != NULL ? policy : "deny");
  if (preset != NULL && *preset != '\0')
    printf ("%-8s %s\n", "preset", preset);
  print_rules ("deny", creel_dbus_sandbox_get_deny (sandbox));
  print_rules ("ask", creel_dbus_sandbox_get_ask (sandbox));
  print_rules ("approved", creel_dbus_sandbox_get_approved (sandbox));
  print_rules ("allow", creel_dbus_sandbox_get_allow (sandbox));
  print_rules ("bypass", creel_dbus_sandbox_get_bypass (sandbox));
  return CLI_OK;
}

static void
insert_rules (GVariantDict *dict, const char *key, char **hosts, char **ranges)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) rules = NULL;

  if (hosts != NULL)
    g_strv_builder_addv (builder, (const char **) hosts);
  if (ranges != NULL)
    g_strv_builder_addv (builder, (const char **) ranges);
  rules = g_strv_builder_end (builder);
  if (*rules != NULL)
    g_variant_dict_insert_value (dict, key, g_variant_new_strv ((const char *const *) rules, -1));
}

int
cmd_network_proxy (Cli *cli, char **args)
{
  g_auto (GStrv) allow = NULL, ask = NULL, block = NULL, allow_cidr = NULL, block_cidr = NULL, bypass = NULL, drop = NULL, words = NULL;
  g_autofree char *policy = NULL, *preset = NULL;
  gboolean reset = FALSE;
  const GOptionEntry entries[] = {
    { "allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &allow, NULL, NULL },
    { "ask-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ask, NULL, NULL },
    { "block-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &block, NULL, NULL },
    { "allow-cidr", 0, 0, G_OPTION_ARG_STRING_ARRAY, &allow_cidr, NULL, NULL },
    { "block-cidr", 0, 0, G_OPTION_ARG_STRING_ARRAY, &block_cidr, NULL, NULL },
    { "bypass-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &bypass, NULL, NULL },
    { "policy", 0, 0, G_OPTION_ARG_STRING, &policy, NULL, NULL },
    { "preset", 0, 0, G_OPTION_ARG_STRING, &preset, NULL, NULL },
    { "remove", 0, 0, G_OPTION_ARG_STRING_ARRAY, &drop, NULL, NULL },
    { "reset", 0, 0, G_OPTION_ARG_NONE, &reset, NULL, NULL },
    { NULL },
  };
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (GError) error = NULL;
  gboolean bare_localhost = FALSE;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  for (guint i = 0; i < 2; i++)
    for (char **range = i == 0 ? allow_cidr : block_cidr; range != NULL && *range != NULL; range++)
      if (strchr (*range, '/') == NULL)
        return cli_fail_with (CLI_USAGE, "\"%s\" is not an address range; write for example 10.0.0.0/8, or 10.1.2.3/32 for one address", *range);
  insert_rules (&dict, "allow", allow, allow_cidr);
  insert_rules (&dict, "ask", ask, NULL);
  insert_rules (&dict, "deny", block, block_cidr);
  insert_rules (&dict, "bypass", bypass, NULL);
  insert_rules (&dict, "remove", drop, NULL);
  if (policy != NULL)
    g_variant_dict_insert (&dict, "policy", "s", policy);
  if (preset != NULL)
    g_variant_dict_insert (&dict, "preset", "s", preset);
  if (reset)
    g_variant_dict_insert (&dict, "reset", "b", TRUE);
  changes = g_variant_ref_sink (g_variant_dict_end (&dict));

  if ((sandbox = cli_get_sandbox (cli, words[0], g_variant_n_children (changes) == 0, &error)) == NULL)
    return cli_fail (error);
  if (g_variant_n_children (changes) == 0)
    return show_policy (cli, sandbox);
  if (!CLI_CALL (cli, &error, creel_dbus_sandbox_call_set_network_sync (sandbox, changes, CLI_FLAGS (cli), NULL, &error)))
    return cli_fail (error);
  for (char **host = allow; host != NULL && *host != NULL; host++)
    bare_localhost = bare_localhost || g_ascii_strcasecmp (*host, "localhost") == 0;
  if (bare_localhost && !cli->quiet)
    fprintf (stderr, "localhost opens only the model runner's port %d of this machine; another one: --allow-host localhost:PORT\n",
             CREEL_MODEL_RUNNER_PORT);
  return CLI_OK;
}

int
cmd_network_check (Cli *cli, char **args)
{
  g_autofree char *method = NULL;
  const GOptionEntry entries[] = {
    { "method", 'X', 0, G_OPTION_ARG_STRING, &method, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GVariant) decision = NULL;
  g_autoptr (GError) error = NULL;
  const char *verdict = "deny", *rule = "", *origin = "", *reason = "", *pattern = "HOST", *answer = "";
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 2, 2, &words, NULL, &status))
    return status;
  if ((sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL
      || !CLI_CALL (cli, &error,
                    creel_dbus_sandbox_call_check_network_sync (sandbox, words[1], method != NULL ? method : "GET", CLI_FLAGS (cli),
                                                                &decision, NULL, &error)))
    return cli_fail (error);
  g_variant_lookup (decision, "verdict", "&s", &verdict);
  g_variant_lookup (decision, "rule", "&s", &rule);
  g_variant_lookup (decision, "origin", "&s", &origin);
  g_variant_lookup (decision, "reason", "&s", &reason);
  g_variant_lookup (decision, "pattern", "&s", &pattern);
  g_variant_lookup (decision, "answer", "&s", &answer);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_string (builder, "url", words[1]);
      out_json_string (builder, "method", method != NULL ? method : "GET");
      out_json_vardict (builder, decision);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
    }
  else if (!cli->quiet)
    {
      g_autoptr (GString) line = g_string_new (verdict);
      g_autofree char *safe = NULL;

      if (*rule != '\0')
        g_string_append_printf (line, ": rule \"%s\"%s%s%s", rule, *origin != '\0' ? " of " : "", origin, *answer != '\0' ? " asked, and this is the answer for this run" : "");
      else if (*answer != '\0')
        g_string_append (line, ": the policy asked, and this is the answer for this run");
      else if (g_str_equal (verdict, "allow"))
        g_string_append (line, ": the policy allows what no rule names");
      else if (g_str_equal (verdict, "ask"))
        g_string_append (line, ": the policy asks about what no rule names");
      else if (*reason == '\0' || g_str_equal (reason, "policy"))
        g_string_append_printf (line, ": no rule allows it; allow it with: creel network proxy %s --allow-host %s", words[0], pattern);
      else
        g_string_append_printf (line, ": %s", reason);
      safe = out_printable (line->str, line->len, FALSE);
      puts (safe);
    }
  return g_str_equal (verdict, "allow") ? CLI_OK : CLI_FAILED;
}

typedef struct
{
  const char *field, *name;
} Field;

/* One line: those fields that an entry has. */
static void
print_json (GVariant *entry, const char *event, const Field *fields, gsize n)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  out_json_integer (builder, "time", cli_journal_time (entry));
  out_json_string (builder, "event", event);
  for (gsize i = 0; i < n; i++)
    if (cli_journal_get (entry, fields[i].field) != NULL)
      out_json_string (builder, fields[i].name, cli_journal_get (entry, fields[i].field));
  json_builder_end_object (builder);
  out_json_print (builder, FALSE);
}

/* A connection from outside to a published port. */
static void
print_port (Cli *cli, GVariant *entry)
{
  static const Field fields[] = {
    { CREEL_FIELD_HOST, "host" }, { CREEL_FIELD_PORT, "port" }, { CREEL_FIELD_GUEST_PORT, "guest_port" }, { CREEL_FIELD_PEER, "peer" },
  };
  const char *values[G_N_ELEMENTS (fields)];

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    values[i] = cli_journal_get (entry, fields[i].field);
  if (cli->json)
    print_json (entry, "port", fields, G_N_ELEMENTS (fields));
  else
    {
      g_autofree char *when = out_time (cli_journal_time (entry));
      g_autofree char *line = g_strdup_printf ("%s port  %s:%s from %s, port %s of the guest", when, values[0] != NULL ? values[0] : "?",
                                               values[1] != NULL ? values[1] : "?", values[3] != NULL ? values[3] : "?",
                                               values[2] != NULL ? values[2] : "?");
      g_autofree char *safe = out_printable (line, -1, FALSE);

      puts (safe);
    }
  fflush (stdout);
}

/* What waited for an answer, and what came of it. */
static void
print_question (Cli *cli, GVariant *entry)
{
  static const Field fields[] = {
    { CREEL_FIELD_ANSWER, "answer" }, { CREEL_FIELD_METHOD, "method" },     { CREEL_FIELD_HOST, "host" },
    { CREEL_FIELD_PORT, "port" },     { CREEL_FIELD_REQUEST_PATH, "path" }, { CREEL_FIELD_RULE, "rule" },
    { CREEL_FIELD_QUESTION, "id" },   { CREEL_FIELD_ANSWERED_BY, "by" },
  };

  if (cli->json)
    print_json (entry, "question", fields, G_N_ELEMENTS (fields));
  else
    {
      g_autofree char *when = out_time (cli_journal_time (entry));
      g_autoptr (GString) line = g_string_new (when);
      const char *by = cli_journal_get (entry, CREEL_FIELD_ANSWERED_BY);
      g_autofree char *safe = NULL;
      const char *values[G_N_ELEMENTS (fields)];

      for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
        values[i] = cli_journal_get (entry, fields[i].field) ?: "";
      g_string_append_printf (line, " ask   %-7s %s:%s%s: %s", values[1], values[2], values[3], values[4], values[0]);
      if (by != NULL)
        g_string_append_printf (line, " by user %s", by);
      safe = out_printable (line->str, line->len, FALSE);
      puts (safe);
    }
  fflush (stdout);
}

static void
print_request (GVariant *entry, gpointer user_data)
{
  static const Field fields[] = {
    { CREEL_FIELD_VERDICT, "verdict" }, { CREEL_FIELD_REASON, "reason" }, { CREEL_FIELD_METHOD, "method" },
    { CREEL_FIELD_HOST, "host" },       { CREEL_FIELD_PORT, "port" },     { CREEL_FIELD_REQUEST_PATH, "path" },
    { CREEL_FIELD_RULE, "rule" },       { CREEL_FIELD_CREDENTIAL, "credential" }, { CREEL_FIELD_STATUS, "status" },
    { CREEL_FIELD_WAY, "way" },         { CREEL_FIELD_BYTES_IN, "bytes_in" }, { CREEL_FIELD_BYTES_OUT, "bytes_out" },
    { CREEL_FIELD_SCRUBBED, "scrubbed" }, { CREEL_FIELD_COUNT, "count" },
  };
  Cli *cli = user_data;
  const char *values[G_N_ELEMENTS (fields)];
  const char *message_id = cli_journal_get (entry, "MESSAGE_ID");
  gboolean done = g_strcmp0 (message_id, CREEL_MESSAGE_REQUEST_DONE) == 0;

  if (g_strcmp0 (cli_journal_get (entry, CREEL_FIELD_EVENT), "port") == 0)
    {
      print_port (cli, entry);
      return;
    }
  if (g_strcmp0 (cli_journal_get (entry, CREEL_FIELD_EVENT), "question") == 0)
    {
      print_question (cli, entry);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    values[i] = cli_journal_get (entry, fields[i].field);
  if (cli->json)
    print_json (entry, done ? "done" : "request", fields, G_N_ELEMENTS (fields));
  /* for people the end of a request is news only when it went wrong after it had been let through */
  else if (!done || (values[1] != NULL && *values[1] != '\0'))
    {
      g_autofree char *when = out_time (cli_journal_time (entry));
      g_autoptr (GString) line = g_string_new (when);
      g_autofree char *safe = NULL;

      g_string_append_printf (line, " %-5s %-7s %s:%s%s", done ? "end" : values[0] != NULL ? values[0] : "?", values[2] != NULL && *values[2] != '\0' ? values[2] : "-",
                              values[3] != NULL ? values[3] : "?", values[4] != NULL ? values[4] : "?", values[5] != NULL ? values[5] : "");
      if (values[1] != NULL && *values[1] != '\0')
        g_string_append_printf (line, " (%s)", values[1]);
      if (values[7] != NULL && *values[7] != '\0')
        g_string_append_printf (line, " key %s", values[7]);
      if (values[6] != NULL && *values[6] != '\0')
        g_string_append_printf (line, " rule \"%s\"", values[6]);
      if (values[13] != NULL && *values[13] != '\0')
        g_string_append_printf (line, " %s times", values[13]);
      safe = out_printable (line->str, line->len, FALSE);
      puts (safe);
    }
  fflush (stdout);
}

int
cmd_network_log (Cli *cli, char **args)
{
  gboolean follow = FALSE;
  int lines = 100, status;
  const GOptionEntry entries[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, NULL, NULL },
    { "lines", 'n', 0, G_OPTION_ARG_INT, &lines, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if ((sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL)
    return cli_fail (error);
  return cli_journal_walk (cli, sandbox, "network", lines, follow, print_request, cli);
}
