/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-policy.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *text = size > 0 ? g_strndup ((const char *) data, size) : g_strdup ("");
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
  g_autoptr (CreelHost) host = creel_host_parse ("a.example.com", -1, NULL);
  g_autoptr (GInetAddress) loopback = g_inet_address_new_from_string ("::1");
  CreelRule *rule = creel_rule_parse (size % 2 ? CREEL_VERDICT_ALLOW : CREEL_VERDICT_DENY, text, "fuzz", NULL);

  if (rule != NULL)
    {
      g_auto (CreelDecision) decision = { 0 };

      creel_policy_take_rule (policy, rule);
      creel_policy_decide (policy, CREEL_SCHEME_HTTPS, host, 443, "GET", "/a/b/c", &decision);
      /* no name is ever let to the loopback by a rule that is not about an address */
      creel_policy_address_allowed (policy, host, loopback, 443, FALSE, NULL);
    }
  creel_policy_add_text (policy, text, "fuzz", NULL);
  return 0;
}
