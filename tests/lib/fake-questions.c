/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions of the double of creeld. */
#include "creel-error.h"
#include "fake-creeld.h"

/* what still waits, of a fixed list; without 0: a fresh one with ids of its own, first 11, 12, 13, then 21 ... */
static void
set_questions (CreelDBusSandbox *sandbox, guint64 without)
{
  guint round = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (sandbox), "round"));
  g_autoptr (GVariant) before = creel_dbus_sandbox_get_questions (sandbox) != NULL ? g_variant_ref (creel_dbus_sandbox_get_questions (sandbox)) : NULL;
  GVariantBuilder list;

  if (without == 0)
    {
      g_clear_pointer (&before, g_variant_unref);
      g_object_set_data (G_OBJECT (sandbox), "round", GUINT_TO_POINTER (++round));
      before = g_variant_ref_sink (g_variant_new_parsed (
        "[{'id': <%t>, 'host': <'one.example'>, 'port': <uint16 443>, 'scheme': <''>, 'method': <'CONNECT'>, 'path': <''>,"
        "  'rule': <'*.example'>, 'allows': <'one.example:443'>, 'asked': <uint64 1>, 'expires': <uint64 0>},"
        " {'id': <%t>, 'host': <'::1'>, 'port': <uint16 8080>, 'scheme': <'http'>, 'method': <'POST'>, 'path': <'/x\\u001b[31m'>,"
        "  'rule': <''>, 'allows': <''>, 'asked': <uint64 1>, 'expires': <uint64 1000000>},"
        " {'id': <%t>, 'host': <'two.example'>, 'port': <uint16 22>, 'scheme': <'tcp'>, 'method': <'CONNECT'>, 'path': <''>,"
        "  'rule': <'tcp://two.example:22'>, 'allows': <'tcp://two.example:22'>, 'asked': <uint64 1>, 'expires': <uint64 0>}]",
        (guint64) round * 10 + 1, (guint64) round * 10 + 2, (guint64) round * 10 + 3));
    }
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; before != NULL && i < g_variant_n_children (before); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (before, i);
      guint64 id = 0;

      g_variant_lookup (question, "id", "t", &id);
      if (id != without)
        g_variant_builder_add_value (&list, question);
    }
  creel_dbus_sandbox_set_questions (sandbox, g_variant_builder_end (&list));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (sandbox));
}

static gboolean
on_answer (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, guint64 id, const char *choice, GVariant *options, gpointer user_data)
{
  g_autofree char *kept = g_strdup_printf ("%s %" G_GUINT64_FORMAT, choice, id);
  const char *const approved[] = { kept, NULL };
  gsize before = g_variant_n_children (creel_dbus_sandbox_get_questions (sandbox));

  set_questions (sandbox, id);
  if (g_variant_n_children (creel_dbus_sandbox_get_questions (sandbox)) == before)
    g_dbus_method_invocation_return_error_literal (invocation, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION, "No question waits there any more");
  else
    {
      /* for the test to see */
      creel_dbus_sandbox_set_approved (sandbox, approved);
      g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (sandbox));
      creel_dbus_sandbox_complete_answer (sandbox, invocation);
    }
  return TRUE;
}

void
fake_ask (CreelDBusSandbox *sandbox)
{
  set_questions (sandbox, 0);
}

void
fake_take_answers (CreelDBusSandbox *sandbox)
{
  g_signal_connect (sandbox, "handle-answer", G_CALLBACK (on_answer), NULL);
}
