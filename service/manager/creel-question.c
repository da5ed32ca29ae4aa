/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-question.h"

#include <string.h>

#include "creel-auth.h"
#include "creel-call.h"
#include "creel-conf.h"
#include "creel-error.h"
#include "creel-gateway-link.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"

#define QUESTIONS_MAX 32
#define TEXT_MAX 1100

static void
put (GVariantBuilder *b, GVariant *question, const char *key)
{
  const char *value = "";
  g_autofree char *text = NULL;

  g_variant_lookup (question, key, "&s", &value);
  text = g_strndup (value, TEXT_MAX);
  for (char *p = text; *p != '\0'; p++)
    if (!g_ascii_isprint (*p))
      *p = '?';
  g_variant_builder_add (b, "{sv}", key, g_variant_new_string (text));
}

static void
put_time (GVariantBuilder *b, GVariant *question, const char *key)
{
  guint64 time = 0;

  g_variant_lookup (question, key, "t", &time);
  g_variant_builder_add (b, "{sv}", key, g_variant_new_uint64 (time));
}

/* "" when the rule opens anything else */
static const char *
check_rule (GVariant *question, const CreelHost *host, guint16 port)
{
  const char *text = "";
  g_autoptr (CreelRule) rule = NULL;

  g_variant_lookup (question, "allows", "&s", &text);
  rule = strlen (text) <= TEXT_MAX ? creel_rule_parse (CREEL_VERDICT_ALLOW, text, NULL, NULL) : NULL;
  return rule != NULL && creel_conf_value_is_safe (text) && creel_rule_is_only_for (rule, host, port) ? text : "";
}

/* last: the number of the one before; the oldest is first, so that none comes twice. */
static void
take (GVariantBuilder *list, GVariant *question, guint64 *last)
{
  static const char *const texts[] = { "scheme", "method", "path", "rule" };
  const char *name = "";
  guint64 id = 0;
  guint16 port = 0;
  g_autoptr (CreelHost) host = NULL;

  g_variant_lookup (question, "id", "t", &id);
  g_variant_lookup (question, "port", "q", &port);
  g_variant_lookup (question, "host", "&s", &name);
  host = creel_host_parse (name, -1, NULL);
  if (id <= *last || port == 0 || host == NULL)
    return;
  *last = id;
  g_variant_builder_open (list, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (list, "{sv}", "id", g_variant_new_uint64 (id));
  g_variant_builder_add (list, "{sv}", "host", g_variant_new_string (creel_host_get_text (host)));
  g_variant_builder_add (list, "{sv}", "port", g_variant_new_uint16 (port));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    put (list, question, texts[i]);
  g_variant_builder_add (list, "{sv}", "allows", g_variant_new_string (check_rule (question, host, port)));
  put_time (list, question, "asked");
  put_time (list, question, "expires");
  g_variant_builder_close (list);
}

GVariant *
creel_question_clean (GVariant *questions)
{
  GVariantBuilder list;
  guint64 last = 0;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; questions != NULL && i < MIN (g_variant_n_children (questions), QUESTIONS_MAX); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (questions, i);

      take (&list, question, &last);
    }
  return g_variant_builder_end (&list);
}

static guint64
get_id (GVariant *question)
{
  guint64 id = 0;

  g_variant_lookup (question, "id", "t", &id);
  return id;
}

GVariant *
creel_question_find (GVariant *questions, guint64 id, GError **error)
{
  for (gsize i = 0; questions != NULL && i < g_variant_n_children (questions); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (questions, i);

      if (get_id (question) == id)
        return g_steal_pointer (&question);
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION, "No question %" G_GUINT64_FORMAT " waits in this sandbox any more", id);
  return NULL;
}

GVariant *
creel_question_drop (GVariant *questions, guint64 id)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (questions); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (questions, i);

      if (get_id (question) != id)
        g_variant_builder_add_value (&list, question);
    }
  return g_variant_builder_end (&list);
}

/* Answer */

static CreelGatewayLink *
get_link (CreelCall *call)
{
  CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);

  return sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;
}

static GVariant *
find_asked (CreelCall *call, guint64 *ret_id, const char **ret_choice, GError **error)
{
  CreelGatewayLink *link = get_link (call);
  GVariant *questions = link != NULL ? creel_gateway_link_get_questions (link) : NULL;
  g_autoptr (GVariant) question = NULL;

  g_variant_get (call->parameters, "(t&s@a{sv})", ret_id, ret_choice, NULL);
  question = creel_question_find (questions, *ret_id, error);
  /* while polkit was asked a gateway may have come that means another one by this number */
  if (question != NULL && call->data != NULL && !g_variant_equal (question, call->data))
    return creel_question_find (NULL, *ret_id, error);
  return g_steal_pointer (&question);
}

static void
on_answered (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  CreelGatewayLink *link = get_link (call);
  guint64 id;
  const char *choice;
  gboolean gone = g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);

  g_variant_get (call->parameters, "(t&s@a{sv})", &id, &choice, NULL);
  /* one whose answer was not taken waits for another */
  if (link != NULL && (error == NULL || gone))
    creel_gateway_link_drop_question (link, id);
  /* what waited has left meanwhile, but the rule stays */
  if (error != NULL && !(g_str_equal (choice, "always") && gone))
    creel_call_fail (call, error);
  else
    creel_call_return (call, NULL);
}

static void
send_answer (CreelCall *call)
{
  g_autofree char *by = g_strdup_printf ("%u", (guint) call->uid);
  guint64 id;
  const char *choice;

  g_variant_get (call->parameters, "(t&s@a{sv})", &id, &choice, NULL);
  creel_gateway_link_call (get_link (call), "Answer", g_variant_new ("(tss)", id, choice, by), "()", -1, on_answered, call);
}

static void
on_reloaded (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;

  if (error != NULL)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED,
                         "The rule is kept, but the gateway did not take it and refuses everything now: %s", error->message);
  else
    send_answer (call);
}

/* The permission for good: into the definition, and then to the gateway. */
static gboolean
write_rule (CreelCall *call, const char *rule, GError **error)
{
  g_autoptr (CreelDefinition) definition = creel_definition_load_own (call->node, error);

  if (definition == NULL)
    return FALSE;
  if (g_strv_contains ((const char *const *) definition->approved, rule))
    return TRUE;
  creel_conf_strv_add (&definition->approved, rule);
  return creel_definition_validate (definition, error) && creel_sandbox_store_write (definition, error);
}

static gboolean
prepare_answer (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const choices[] = { "once", "run", "always", "deny", "deny-run", NULL };
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 2);
  g_autoptr (GVariant) question = NULL;
  g_autofree char *port_text = NULL;
  const char *choice, *host, *allows;
  GVariantBuilder details;
  guint16 port;
  guint64 id;

  if (!creel_options_check (options, known, error))
    return FALSE;
  question = find_asked (call, &id, &choice, error);
  if (!g_strv_contains (choices, choice))
    {
      g_clear_error (error);
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The answer must be once, run, always, deny or deny-run");
      return FALSE;
    }
  if (question == NULL)
    return FALSE;
  call->data = g_variant_ref (question);
  call->free_data = (GDestroyNotify) g_variant_unref;
  g_variant_lookup (question, "allows", "&s", &allows);
  if (g_str_equal (choice, "always") && allows[0] == '\0')
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "No rule can say just this; answer for once or for this run");
      return FALSE;
    }
  if (g_str_has_prefix (choice, "deny"))
    return TRUE;
  g_variant_lookup (question, "host", "&s", &host);
  g_variant_lookup (question, "port", "q", &port);
  port_text = g_strdup_printf ("%u", port);
  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&details, "{ss}", "host", host);
  g_variant_builder_add (&details, "{ss}", "port", port_text);
  creel_call_need (call, CREEL_ACTION_WIDEN_POLICY, g_variant_builder_end (&details));
  return TRUE;
}

static void
handle_answer (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);
  g_autoptr (GVariant) question = NULL;
  g_autoptr (GError) error = NULL;
  const char *choice, *allows = "";
  guint64 id;

  if (sandbox == NULL)
    return;
  question = find_asked (call, &id, &choice, &error);
  if (question != NULL)
    g_variant_lookup (question, "allows", "&s", &allows);
  if (question == NULL || (g_str_equal (choice, "always") && !write_rule (call, allows, &error)))
    creel_call_fail (call, error);
  else if (g_str_equal (choice, "always"))
    {
      creel_sandbox_reload (sandbox);
      creel_gateway_link_call (creel_sandbox_get_link (sandbox), "Reload", NULL, "()", -1, on_reloaded, call);
    }
  else
    send_answer (call);
}

const CreelMethod creel_question_methods[] = {
  { "Sandbox", "Answer", prepare_answer, handle_answer },
  { NULL }
};
