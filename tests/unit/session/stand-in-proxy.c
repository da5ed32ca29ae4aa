/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stand-in-proxy.h"

StandIn stand_in;

struct _CreelProxy { GObject parent; CreelQuestions *questions; };
G_DEFINE_FINAL_TYPE (CreelProxy, creel_proxy, G_TYPE_OBJECT)
struct _CreelCa { int refs; };
static CreelCa the_ca;

static void
creel_proxy_finalize (GObject *object)
{
  creel_questions_free (CREEL_PROXY (object)->questions);
  G_OBJECT_CLASS (creel_proxy_parent_class)->finalize (object);
}

static void creel_proxy_class_init (CreelProxyClass *klass) { G_OBJECT_CLASS (klass)->finalize = creel_proxy_finalize; }
static void creel_proxy_init (CreelProxy *self) {}

CreelProxy *
creel_proxy_new (const char *sandbox, CreelCa *ca, CreelAudit *audit)
{
  CreelProxy *proxy = g_object_new (CREEL_TYPE_PROXY, NULL);

  proxy->questions = creel_questions_new (sandbox, audit);
  return proxy;
}

CreelQuestions *creel_proxy_get_questions (CreelProxy *proxy) { return proxy->questions; }

void
creel_proxy_set_policy (CreelProxy *proxy, CreelPolicy *policy, char **bypass)
{
  stand_in.policy = policy;
}

void
creel_proxy_set_limits (CreelProxy *proxy, const CreelLimits *limits)
{
  stand_in.limits = *limits;
}

void
creel_proxy_set_parent (CreelProxy *self, CreelParentProxy *parent)
{
}

void
creel_proxy_set_credentials (CreelProxy *proxy, GPtrArray *credentials, GHashTable *placeholders)
{
  stand_in.credentials = credentials;
  stand_in.placeholders = placeholders;
}

void
creel_proxy_set_secret_func (CreelProxy *proxy, CreelSecretFunc func, gpointer user_data)
{
  stand_in.secret_func = func;
  stand_in.secret_data = user_data;
}

void creel_proxy_forget (CreelProxy *proxy, const char *const *credentials) { stand_in.n_forgotten++; }

void
creel_proxy_accept (CreelProxy *proxy, GIOStream *stream, const char *authority, CreelWay way)
{
  if (stand_in.accepted == NULL)
    stand_in.accepted = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (stand_in.accepted, g_object_ref (stream));
}

void creel_proxy_abort_all (CreelProxy *proxy) { stand_in.n_aborted++; }
guint creel_proxy_get_n_connections (CreelProxy *proxy) { return 0; }
CreelCa *creel_ca_new (const char *sandbox, GError **error) { return &the_ca; }
CreelCa *creel_ca_import (GBytes *state, GError **error) { return &the_ca; }
CreelCa *creel_ca_ref (CreelCa *ca) { return ca; }
void creel_ca_unref (CreelCa *ca) {}
GBytes *creel_ca_export (CreelCa *ca) { return g_bytes_new_static ("CERT", 4); }
const char *creel_ca_get_certificate (CreelCa *ca) { return "CERT"; }
