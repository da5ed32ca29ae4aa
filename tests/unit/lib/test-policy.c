/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-archives.h"
#include "creel-network-check.h"
#include "creel-policy.h"

#include <glib/gstdio.h>
#include <string.h>

/* rules: "+rule" allow, "-rule" deny, "?rule" ask, "~rule" approved, "!" at the start: default allow, "%": default ask; separated by | */
static CreelPolicy *
make (const char *rules)
{
  CreelPolicy *policy = creel_policy_new (rules[0] == '!'   ? CREEL_VERDICT_ALLOW
                                          : rules[0] == '%' ? CREEL_VERDICT_ASK
                                                            : CREEL_VERDICT_DENY);
  g_auto (GStrv) list = g_strsplit (rules[0] == '!' || rules[0] == '%' ? rules + 1 : rules, "|", -1);

  for (char **rule = list; *rule != NULL && **rule != '\0'; rule++)
    {
      g_autoptr (GError) error = NULL;
      CreelVerdict verdict = **rule == '+' || **rule == '~' ? CREEL_VERDICT_ALLOW : **rule == '?' ? CREEL_VERDICT_ASK : CREEL_VERDICT_DENY;
      CreelRule *parsed = creel_rule_parse (verdict, *rule + 1, "test:1", &error);

      g_assert_no_error (error);
      if (**rule == '~')
        creel_rule_set_approved (parsed);
      creel_policy_take_rule (policy, parsed);
    }
  return policy;
}

#define D CREEL_VERDICT_DENY
#define A CREEL_VERDICT_ALLOW
#define Q CREEL_VERDICT_ASK
#define HTTPS CREEL_SCHEME_HTTPS
#define TCP CREEL_SCHEME_TCP

static const struct
{
  const char *rules;
  CreelScheme scheme;
  const char *host;
  guint16 port;
  const char *method, *path;
  CreelVerdict verdict;
  gboolean needs_request;
} decisions[] = {
  { "", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+ok.com", HTTPS, "ok.com", 443, NULL, NULL, A, FALSE },
  { "+ok.com", HTTPS, "ok.com", 80, NULL, NULL, A, FALSE },
  { "+ok.com", HTTPS, "ok.com", 8443, NULL, NULL, D, FALSE },
  { "+ok.com:8443", HTTPS, "ok.com", 8443, NULL, NULL, A, FALSE },
  { "+ok.com:8443", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+ok.com:*", HTTPS, "ok.com", 1, NULL, NULL, A, FALSE },
  { "+OK.com.", HTTPS, "ok.com", 443, NULL, NULL, A, FALSE },
  { "+ok.com", HTTPS, "evilok.com", 443, NULL, NULL, D, FALSE },
  { "+ok.com", HTTPS, "ok.com.evil.tld", 443, NULL, NULL, D, FALSE },
  { "+ok.com", HTTPS, "a.ok.com", 443, NULL, NULL, D, FALSE },
  { "+*.ok.com", HTTPS, "a.ok.com", 443, NULL, NULL, A, FALSE },
  { "+*.ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+*.ok.com", HTTPS, "a.b.ok.com", 443, NULL, NULL, D, FALSE },
  { "+*.ok.com", HTTPS, "aok.com", 443, NULL, NULL, D, FALSE },
  { "+**.ok.com", HTTPS, "a.b.ok.com", 443, NULL, NULL, A, FALSE },
  { "+**.ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+*", HTTPS, "any.example", 443, NULL, NULL, A, FALSE },
  { "+*", HTTPS, "localhost", 443, NULL, NULL, D, FALSE },
  { "+*", HTTPS, "8.8.8.8", 443, NULL, NULL, A, FALSE },
  { "+*", HTTPS, "10.1.2.3", 443, NULL, NULL, D, FALSE },
  { "+*", HTTPS, "127.0.0.1", 80, NULL, NULL, D, FALSE },
  { "!", HTTPS, "any.example", 8443, NULL, NULL, A, FALSE },
  { "!", HTTPS, "169.254.169.254", 80, NULL, NULL, D, FALSE },
  { "!", HTTPS, "localhost", 80, NULL, NULL, D, FALSE },
  { "!", TCP, "any.example", 22, NULL, NULL, D, FALSE },
  { "!-bad.com", HTTPS, "bad.com", 443, NULL, NULL, D, FALSE },
  { "!-bad.com", HTTPS, "bad.com", 9000, NULL, NULL, D, FALSE },
  { "!-**.bad.com", HTTPS, "x.bad.com", 443, NULL, NULL, D, FALSE },
  { "+10.0.0.0/8", HTTPS, "10.1.2.3", 443, NULL, NULL, A, FALSE },
  { "+10.0.0.0/8", HTTPS, "11.1.2.3", 443, NULL, NULL, D, FALSE },
  { "+10.0.0.0/8:5432", HTTPS, "10.1.2.3", 5432, NULL, NULL, A, FALSE },
  { "+[fd00::/8]:80", HTTPS, "fd00::1", 80, NULL, NULL, A, FALSE },
  { "+fd00::/8", HTTPS, "fd00::1", 443, NULL, NULL, A, FALSE },
  { "+ok.com|-ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "-ok.com|+ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+ok.com|?ok.com", HTTPS, "ok.com", 443, NULL, NULL, Q, FALSE },
  { "?ok.com|-ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+tcp://ok.com:22", TCP, "ok.com", 22, NULL, NULL, A, FALSE },
  { "+tcp://ok.com:22", HTTPS, "ok.com", 22, NULL, NULL, D, FALSE },
  { "+ok.com:22", TCP, "ok.com", 22, NULL, NULL, D, FALSE },
  { "+tcp://ok.com:22|-ok.com", TCP, "ok.com", 22, NULL, NULL, D, FALSE },
  { "+ok.com GET", HTTPS, "ok.com", 443, NULL, NULL, D, TRUE },
  { "+ok.com GET", HTTPS, "ok.com", 443, "GET", "/", A, FALSE },
  { "+ok.com GET", HTTPS, "ok.com", 443, "POST", "/", D, FALSE },
  { "+ok.com GET", HTTPS, "ok.com", 443, "get", "/", D, FALSE },
  { "+ok.com GET,HEAD /v1/*", HTTPS, "ok.com", 443, "HEAD", "/v1/x", A, FALSE },
  { "+ok.com GET,HEAD /v1/*", HTTPS, "ok.com", 443, "HEAD", "/v1/x/y", D, FALSE },
  { "+ok.com GET /v1/**", HTTPS, "ok.com", 443, "GET", "/v1/x/y", A, FALSE },
  { "+ok.com /a*b*c/d", HTTPS, "ok.com", 443, "GET", "/abbc/d", A, FALSE },
  { "+ok.com /**/x*y", HTTPS, "ok.com", 443, "GET", "/x/q/xzy", A, FALSE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, NULL, NULL, A, TRUE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/admin/x", D, FALSE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/x", A, FALSE },
  { "+ok.com GET|-ok.com", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "+ok.com GET", HTTPS, "ok.com", 443, "GET", NULL, A, FALSE },
  { "+ok.com GET", HTTPS, "ok.com", 443, "POST", NULL, D, FALSE },
  { "+ok.com GET /v1/*", HTTPS, "ok.com", 443, "GET", NULL, D, TRUE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, "GET", NULL, A, TRUE },
  /* a denial holds however servers read what is encoded, and without what some cut off; a permission only for what it says */
  { "+ok.com|-ok.com /v1/x:run", HTTPS, "ok.com", 443, "GET", "/v1/x%3Arun", D, FALSE },
  { "+ok.com|-ok.com /v1/x%3arun", HTTPS, "ok.com", 443, "GET", "/v1/x:run", D, FALSE },
  { "+ok.com|-ok.com /a@b,c=!", HTTPS, "ok.com", 443, "GET", "/a%40b%2Cc%3D%21", D, FALSE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/admin;x/y", D, FALSE },
  { "+ok.com|-ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/admin%3Bx/y", D, FALSE },
  { "+ok.com|-ok.com /admin", HTTPS, "ok.com", 443, "GET", "/admin;", D, FALSE },
  { "+ok.com|-ok.com /Admin/**", HTTPS, "ok.com", 443, "GET", "/aDMIN/x", D, FALSE },
  { "+ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/Admin/x", D, FALSE },
  { "+ok.com|-ok.com /a;x", HTTPS, "ok.com", 443, "GET", "/a;x", D, FALSE },
  { "+ok.com|-ok.com /a;x", HTTPS, "ok.com", 443, "GET", "/a", A, FALSE },
  { "+ok.com|-ok.com /a", HTTPS, "ok.com", 443, "GET", "/a%25", A, FALSE },
  { "+ok.com /v1/x:run", HTTPS, "ok.com", 443, "GET", "/v1/x%3Arun", D, FALSE },
  { "+ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/admin;x/y", D, FALSE },
  { "+ok.com|?ok.com /admin/**", HTTPS, "ok.com", 443, "GET", "/admin;x/y", Q, FALSE },
  /* an approval goes before what asks, never before a denial, and for what it says only */
  { "?*|~ok.com:443", HTTPS, "ok.com", 443, NULL, NULL, A, FALSE },
  { "~ok.com:443|?*|+ok.com", HTTPS, "ok.com", 443, NULL, NULL, A, FALSE },
  { "?*|~ok.com:443", HTTPS, "ok.com", 80, NULL, NULL, Q, FALSE },
  { "?*|~ok.com:443", HTTPS, "a.ok.com", 443, NULL, NULL, Q, FALSE },
  { "-*|~ok.com:443|?*", HTTPS, "ok.com", 443, NULL, NULL, D, FALSE },
  { "~ok.com:443|?*|-ok.com /x", HTTPS, "ok.com", 443, "GET", "/x", D, FALSE },
  { "~ok.com:443|?*|-ok.com /x", HTTPS, "ok.com", 443, NULL, NULL, A, TRUE },
  { "?ok.com|~ok.com:443 GET /a", HTTPS, "ok.com", 443, NULL, NULL, Q, TRUE },
  { "?ok.com|~ok.com:443 GET /a", HTTPS, "ok.com", 443, "GET", "/a", A, FALSE },
  { "?ok.com|~ok.com:443 GET /a", HTTPS, "ok.com", 443, "GET", "/a;x", Q, FALSE },
  { "?ok.com|~ok.com:443 GET /a", HTTPS, "ok.com", 443, "GET", "/%61", Q, FALSE },
  { "?tcp://ok.com:22|~ok.com:22", TCP, "ok.com", 22, NULL, NULL, Q, FALSE },
  { "?tcp://ok.com:22|~tcp://ok.com:22", TCP, "ok.com", 22, NULL, NULL, A, FALSE },
  { "%", HTTPS, "any.example", 8443, NULL, NULL, Q, FALSE },
  { "%+ok.com", HTTPS, "ok.com", 443, NULL, NULL, A, FALSE },
  { "%-bad.com", HTTPS, "bad.com", 443, NULL, NULL, D, FALSE },
  { "%", HTTPS, "10.1.2.3", 443, NULL, NULL, D, FALSE },
  { "%", HTTPS, "169.254.169.254", 80, NULL, NULL, D, FALSE },
  { "%", HTTPS, "localhost", 80, NULL, NULL, D, FALSE },
  { "%", TCP, "any.example", 22, NULL, NULL, D, FALSE },
  { "%+ok.com GET", HTTPS, "ok.com", 443, NULL, NULL, Q, TRUE },
  { "%+ok.com GET", HTTPS, "ok.com", 443, "POST", "/", Q, FALSE },
  { "+localhost", HTTPS, "localhost", 12434, NULL, NULL, A, FALSE },
  { "+localhost", HTTPS, "localhost", 80, NULL, NULL, D, FALSE },
  { "+localhost", HTTPS, "host.docker.internal", 12434, NULL, NULL, A, FALSE },
  { "+localhost:8080", HTTPS, "127.0.0.1", 8080, NULL, NULL, A, FALSE },
  { "+localhost:8080", HTTPS, "localhost", 12434, NULL, NULL, D, FALSE },
  { "+localhost:8080", HTTPS, "127.0.0.2", 8080, NULL, NULL, D, FALSE },
};

static void
test_decide (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (decisions); i++)
    {
      g_autoptr (CreelPolicy) policy = make (decisions[i].rules);
      g_autoptr (CreelHost) host = creel_host_parse (decisions[i].host, -1, NULL);
      g_auto (CreelDecision) decision = { 0 };

      g_test_message ("%s: %s:%u %s", decisions[i].rules, decisions[i].host, decisions[i].port, decisions[i].path);
      creel_policy_decide (policy, decisions[i].scheme, host, decisions[i].port, decisions[i].method,
                           decisions[i].path, &decision);
      g_assert_cmpint (decision.verdict, ==, decisions[i].verdict);
      g_assert_cmpint (decision.needs_request, ==, decisions[i].needs_request);
      g_assert_cmpint (decision.reason[0] == '\0', ==, decision.verdict == CREEL_VERDICT_ALLOW);
    }
}

static void
test_no_policy_denies (void)
{
  g_autoptr (CreelHost) host = creel_host_parse ("ok.com", -1, NULL);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string ("8.8.8.8");
  g_auto (CreelDecision) decision = { 0 };

  creel_policy_decide (NULL, HTTPS, host, 443, "GET", "/", &decision);
  g_assert_cmpint (decision.verdict, ==, D);
  g_assert_cmpstr (decision.reason, ==, CREEL_REASON_NOT_READY);
  g_assert_false (creel_policy_address_allowed (NULL, host, address, 443, FALSE, NULL));
}

static const struct
{
  const char *rules, *host, *address;
  gboolean allowed;
} floors[] = {
  { "!", "x.com", "93.184.216.34", TRUE }, { "!", "x.com", "2606:2800:220:1::1", TRUE },
  { "!", "x.com", "127.0.0.1", FALSE }, { "!", "x.com", "127.255.255.254", FALSE }, { "!", "x.com", "0.0.0.0", FALSE },
  { "!", "x.com", "10.0.0.1", FALSE }, { "!", "x.com", "172.16.0.1", FALSE }, { "!", "x.com", "172.31.255.255", FALSE },
  { "!", "x.com", "172.32.0.1", TRUE }, { "!", "x.com", "192.168.1.1", FALSE }, { "!", "x.com", "100.64.0.1", FALSE },
  { "!", "x.com", "100.128.0.1", TRUE }, { "!", "x.com", "169.254.169.254", FALSE }, { "!", "x.com", "192.0.0.1", FALSE },
  { "!", "x.com", "198.18.0.1", FALSE }, { "!", "x.com", "198.19.255.255", FALSE }, { "!", "x.com", "224.0.0.1", FALSE },
  { "!", "x.com", "255.255.255.255", FALSE }, { "!", "x.com", "240.0.0.1", FALSE }, { "!", "x.com", "168.63.129.16", FALSE },
  { "!", "x.com", "::1", FALSE }, { "!", "x.com", "::", FALSE }, { "!", "x.com", "::ffff:127.0.0.1", FALSE },
  { "!", "x.com", "::ffff:93.184.216.34", TRUE }, { "!", "x.com", "::127.0.0.1", FALSE }, { "!", "x.com", "64:ff9b::a00:1", FALSE },
  { "!", "x.com", "64:ff9b::5db8:d822", FALSE }, { "!", "x.com", "2002:7f00:1::1", FALSE }, { "!", "x.com", "2001::1", FALSE },
  { "!", "x.com", "2001:db8::1", FALSE }, { "!", "x.com", "fc00::1", FALSE }, { "!", "x.com", "fd00:ec2::254", FALSE },
  { "!", "x.com", "fe80::1", FALSE }, { "!", "x.com", "ff02::1", FALSE }, { "!", "x.com", "fec0::1", FALSE },
  { "!", "x.com", "100::1", FALSE }, { "!", "x.com", "4000::1", FALSE },
  { "!+10.0.0.0/8", "x.com", "10.0.0.1", TRUE }, { "!+10.0.0.5", "x.com", "10.0.0.5", TRUE },
  { "!+10.0.0.5", "x.com", "10.0.0.6", FALSE }, { "!+10.0.0.0/8:80", "x.com", "10.0.0.1", FALSE },
  { "!+0.0.0.0/0", "x.com", "10.0.0.1", FALSE }, { "!+0.0.0.0/1", "x.com", "127.0.0.1", FALSE }, { "!+::/0", "x.com", "::1", FALSE },
  { "!+::/0", "x.com", "fd00::1", FALSE }, { "!+fd00::/8", "x.com", "fd00::1", TRUE }, { "!+fd00::/8", "x.com", "fd00:ec2::254", FALSE },
  { "!+169.254.0.0/16", "x.com", "169.254.169.254", FALSE }, { "!+169.254.0.0/16", "x.com", "169.254.1.1", TRUE },
  { "!+169.254.169.254", "x.com", "169.254.169.254", TRUE }, { "!+localhost:443", "localhost", "127.0.0.1", TRUE },
  { "!+localhost:443", "x.com", "127.0.0.1", FALSE }, { "!+localhost:443", "localhost", "10.0.0.1", FALSE },
  { "!+localhost", "localhost", "127.0.0.1", FALSE }, { "!-93.184.216.0/24", "x.com", "93.184.216.34", FALSE },
  { "!+10.0.0.0/8|-10.0.0.1", "x.com", "10.0.0.1", FALSE },
};

static void
test_floor (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (floors); i++)
    {
      g_autoptr (CreelPolicy) policy = make (floors[i].rules);
      g_autoptr (CreelHost) host = creel_host_parse (floors[i].host, -1, NULL);
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (floors[i].address);
      const char *reason = NULL;

      g_test_message ("%s %s", floors[i].rules, floors[i].address);
      g_assert_nonnull (address);
      g_assert_cmpint (creel_policy_address_allowed (policy, host, address, 443, FALSE, &reason), ==, floors[i].allowed);
      g_assert_cmpint (reason == NULL, ==, floors[i].allowed);
    }
}

static void
test_own_address (void)
{
  g_autoptr (CreelPolicy) range = make ("+192.168.0.0/16");
  g_autoptr (CreelPolicy) single = make ("+192.168.1.5");
  g_autoptr (CreelHost) host = creel_host_parse ("192.168.1.5", -1, NULL);

  g_assert_true (creel_policy_address_allowed (range, host, creel_host_get_address (host), 443, FALSE, NULL));
  g_assert_false (creel_policy_own_address_allowed (range, host, creel_host_get_address (host), 443, FALSE));
  g_assert_true (creel_policy_own_address_allowed (single, host, creel_host_get_address (host), 443, FALSE));
}

static const struct
{
  const char *rules, *method;
  gboolean conditional;
} conditions[] = {
  { "?ok.com", NULL, FALSE },           { "?ok.com", "GET", FALSE },          { "?ok.com POST", "POST", TRUE },
  { "?ok.com POST|?ok.com", "GET", FALSE }, { "%", "GET", FALSE },            { "%+ok.com GET", "POST", TRUE },
  { "%-ok.com /x", "POST", FALSE },     { "+ok.com GET", "GET", TRUE },
};

/* An answer holds for what the question was about, so it must be known how much that is. */
static void
test_conditional (void)
{
  g_autoptr (CreelHost) host = creel_host_parse ("ok.com", -1, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (conditions); i++)
    {
      g_autoptr (CreelPolicy) policy = make (conditions[i].rules);
      g_auto (CreelDecision) decision = { 0 };

      g_test_message ("%s %s", conditions[i].rules, conditions[i].method);
      creel_policy_decide (policy, HTTPS, host, 443, conditions[i].method, conditions[i].method != NULL ? "/" : NULL, &decision);
      g_assert_cmpint (decision.conditional, ==, conditions[i].conditional);
    }
}

static const struct
{
  const char *rules, *host, *address;
  gboolean asked, allowed, own;
} answered[] = {
  { "?10.0.0.0/8", "10.0.0.1", "10.0.0.1", FALSE, FALSE, FALSE },
  { "?10.0.0.0/8", "10.0.0.1", "10.0.0.1", TRUE, TRUE, FALSE },
  { "?10.0.0.1", "10.0.0.1", "10.0.0.1", TRUE, TRUE, TRUE },
  { "?10.0.0.1 POST", "10.0.0.1", "10.0.0.1", TRUE, TRUE, TRUE },
  /* the name was asked about, not where it leads */
  { "?10.0.0.0/8|?x.com", "x.com", "10.0.0.1", TRUE, FALSE, FALSE },
  { "?localhost:443|?x.com", "x.com", "127.0.0.1", TRUE, FALSE, FALSE },
  { "?localhost:443", "localhost", "127.0.0.1", TRUE, TRUE, TRUE },
  { "?localhost:443", "localhost", "127.0.0.1", FALSE, FALSE, FALSE },
  { "?*|?0.0.0.0/0", "10.0.0.1", "10.0.0.1", TRUE, FALSE, FALSE },
  { "?169.254.0.0/16", "169.254.169.254", "169.254.169.254", TRUE, FALSE, FALSE },
  { "?10.0.0.0/8|-10.0.0.1", "10.0.0.1", "10.0.0.1", TRUE, FALSE, FALSE },
};

/* An answer opens no reserved address but one that the question named. */
static void
test_answered_floor (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (answered); i++)
    {
      g_autoptr (CreelPolicy) policy = make (answered[i].rules);
      g_autoptr (CreelHost) host = creel_host_parse (answered[i].host, -1, NULL);
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (answered[i].address);

      g_test_message ("%s %s %d", answered[i].rules, answered[i].host, answered[i].asked);
      g_assert_cmpint (creel_policy_address_allowed (policy, host, address, 443, answered[i].asked, NULL), ==, answered[i].allowed);
      g_assert_cmpint (creel_policy_own_address_allowed (policy, host, address, 443, answered[i].asked) && answered[i].allowed, ==, answered[i].own);
    }
}

static void
test_only_for (void)
{
  static const struct
  {
    const char *rule, *host;
    gboolean only;
  } cases[] = {
    { "ok.com:443", "ok.com", TRUE },     { "ok.com:443 POST /x", "ok.com", TRUE }, { "ok.com", "ok.com", FALSE },
    { "ok.com:*", "ok.com", FALSE },      { "*.ok.com:443", "a.ok.com", FALSE },    { "*:443", "ok.com", FALSE },
    { "ok.com:443", "other.com", FALSE }, { "ok.com:80", "ok.com", FALSE },         { "[::1]:443", "::1", TRUE },
    { "10.0.0.1:443", "10.0.0.1", TRUE }, { "10.0.0.0/8:443", "10.0.0.1", FALSE },  { "localhost:443", "127.0.0.1", TRUE },
    { "tcp://ok.com:443", "ok.com", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (CreelRule) rule = creel_rule_parse (CREEL_VERDICT_ALLOW, cases[i].rule, "", NULL);
      g_autoptr (CreelHost) host = creel_host_parse (cases[i].host, -1, NULL);

      g_test_message ("%s %s", cases[i].rule, cases[i].host);
      g_assert_cmpint (creel_rule_is_only_for (rule, host, 443), ==, cases[i].only);
    }
}

static void
test_bad_rules (void)
{
  static const char *const bad[] = {
    "", " ", "ok.com:0", "ok.com:99999", "ok.com:x", "ok.com:", "https://ok.com", "tcp://ok.com", "tcp://ok.com:22 GET", "10.0.0.1/8",
    "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "fd00::/129", "*.10.0.0.1", "*", "ok.com get", "ok.com /x GET", "ok.com GET,,POST", "a*b.com",
    "*.*.com", "***.com", "127.1", "0x7f000001", "[::1", "[::1]x", "bücher.example", "user@ok.com", "ok.com:080", "ok_.com",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelRule) rule = creel_rule_parse (CREEL_VERDICT_ALLOW, bad[i], NULL, &error);

      g_test_message ("%s", bad[i]);
      if (g_str_equal (bad[i], "*"))
        g_assert_nonnull (rule);
      else
        g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
}

static const struct
{
  const char *in, *out;
} paths[] = {
  { "/", "/" }, { "/a/b", "/a/b" }, { "/a//b", "/a/b" }, { "/a/./b", "/a/b" }, { "/a/../b", "/b" }, { "/../../b", "/b" },
  { "/a/%2e%2e/b", "/b" }, { "/a/%2E./b", "/b" }, { "/a/b/..", "/a/" }, { "/a/b/.", "/a/b/" }, { "/a/", "/a/" }, { "//a", "/a" },
  { "/%61dmin", "/admin" }, { "/a%20b", "/a%20b" }, { "/a%c3%bc", "/a%C3%BC" }, { "/a%2fb", NULL }, { "/a%5cb", NULL },
  { "/a\\b", NULL }, { "/a%00b", NULL }, { "/a%0d%0ab", NULL }, { "/%252e%252e/b", NULL }, { "/%25", "/%25" }, { "/%25%32%65", NULL }, { "/%252%66", NULL }, { "/%25%25x", "/%25%25x" }, { "/%zz", NULL }, { "/%2", NULL },
  { "/a;x/b", "/a;x/b" }, { "/..;/b", NULL }, { "/.;x/b", NULL }, { "a", NULL }, { "*", "*" }, { "/a b", NULL }, { "/a?b", NULL }, { "/\xc3\xbc", NULL },
  { "/a/...", "/a/..." }, { "/a%3Fb", "/a%3Fb" }, { "", NULL },
  /* longer forms of a dot and a slash, which are no UTF-8 */
  { "/%c0%ae%c0%ae/b", NULL }, { "/a%c0%afb", NULL }, { "/%e0%80%ae/b", NULL }, { "/%f0%80%80%af", NULL }, { "/a%e0%a4%85", "/a%E0%A4%85" },
  { "/%c0", "/%C0" }, { "/%c0./", NULL }, { "/%c0%2e/", NULL }, { "/..%3b/b", NULL }, { "/.%3Fx", NULL }, { "/%2e.%23", NULL }, { "/..%20", "/..%20" }, { "/%f8%80%80%80%ae", NULL },
  { "/%fc%80%80%80%80%ae/b", NULL }, { "/%f0%9f%a6%9e", "/%F0%9F%A6%9E" },
};

static void
test_path (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *path = creel_path_canonicalize (paths[i].in, NULL);

      g_test_message ("%s", paths[i].in);
      g_assert_cmpstr (path, ==, paths[i].out);
    }
}

static CreelVerdict
ask_archive (CreelPolicy *policy, const char *name, guint16 port, const char *method)
{
  g_autoptr (CreelHost) host = creel_host_parse (name, -1, NULL);
  g_auto (CreelDecision) decision = { 0 };

  creel_policy_decide (policy, CREEL_SCHEME_UNKNOWN, host, port, method, "/", &decision);
  return decision.verdict;
}

static void
write_archive_file (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (text != NULL && g_str_equal (text, "/"))
    g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  else if (text != NULL)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_archives (void)
{
  static const struct
  {
    const char *host;
    guint16 port;
    const char *method;
    CreelVerdict verdict;
  } cases[] = {
    { "deb.example", 80, "GET", CREEL_VERDICT_ALLOW },     { "deb.example", 80, "POST", CREEL_VERDICT_DENY },
    { "new.example", 443, "HEAD", CREEL_VERDICT_ALLOW },   { "npm.example", 4873, "GET", CREEL_VERDICT_ALLOW },
    { "npm.example", 443, "GET", CREEL_VERDICT_DENY },     { "off.example", 80, "GET", CREEL_VERDICT_DENY },
    { "localhost", 3142, "GET", CREEL_VERDICT_DENY },      { "10.0.0.1", 80, "GET", CREEL_VERDICT_DENY },
    { "user", 80, "GET", CREEL_VERDICT_DENY },             { "pip.example", 443, "GET", CREEL_VERDICT_ALLOW },
    { "xdg.example", 443, "GET", CREEL_VERDICT_ALLOW },
  };
  g_autofree char *root = g_dir_make_tmp ("creel-archives-XXXXXX", NULL);
  g_autofree char *etc = g_build_filename (root, "etc", NULL);
  g_autofree char *xdg = g_build_filename (etc, "xdg/pip", NULL);
  g_autofree char *parts = g_build_filename (root, "etc/apt/sources.list.d", NULL);
  g_autofree char *list = g_build_filename (root, "etc/apt/sources.list", NULL);
  g_autofree char *sources = g_build_filename (parts, "new.sources", NULL);
  g_autofree char *npmrc = g_build_filename (root, "etc/npmrc", NULL);
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);

  g_assert_cmpint (g_mkdir_with_parents (parts, 0700), ==, 0);
  g_assert_true (g_file_set_contents (list, "deb http://deb.example/x a b\n# deb http://off.example/ a b\n"
                                            "deb http://localhost:3142/x a b\ndeb http://10.0.0.1/ a b\ndeb http://\nhttp", -1, NULL));
  g_assert_true (g_file_set_contents (sources, "Types: deb\nURIs: https://new.example/debian\n", -1, NULL));
  g_assert_true (g_file_set_contents (npmrc, "registry=https://user:word@npm.example:4873/\n", -1, NULL));
  g_assert_cmpint (g_mkdir_with_parents (xdg, 0700), ==, 0);
  write_archive_file (xdg, "pip.conf", "[global]\nindex-url = https://old.example/simple\nextra-index-url = https://u:w@xdg.example/x\n");
  write_archive_file (etc, "pip.conf", "[global]\nindex-url = https://pip.example/simple\n");
  g_setenv ("CREEL_ROOT", root, TRUE);
  creel_archives_add_rules (policy);
  g_auto (GStrv) environment = creel_archives_environment ();
  g_unsetenv ("CREEL_ROOT");
  /* of a setting in both files, the second's */
  g_assert_true (g_strv_contains ((const char *const *) environment, "PIP_INDEX_URL=https://pip.example/simple"));
  g_assert_true (g_strv_contains ((const char *const *) environment, "PIP_EXTRA_INDEX_URL=https://xdg.example/x"));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].host);
      g_assert_cmpint (ask_archive (policy, cases[i].host, cases[i].port, cases[i].method), ==, cases[i].verdict);
    }
}

/* Where npm and pip go when nobody told them; not when somebody did, or when that cannot be read. */
static void
test_archives_default (void)
{
  static const struct
  {
    const char *npmrc, *pip; /* NULL: none; "/": cannot be read */
    CreelVerdict npm, pypi;
    const char *xdg_pip; /* pip reads that one before */
  } cases[] = {
    { NULL, NULL, A, A },
    { "fund=false\n", "[global]\ntimeout = 60\n", A, A },
    { "registry=https://npm.example/\n", NULL, D, A },
    { NULL, "[global]\nindex-url = https://pip.example/simple\n", A, D },
    { NULL, "[install]\nindex-url = https://pip.example/simple\n", A, D },
    { NULL, "[global]\nIndex_URL: https://pip.example/simple\n", A, D },
    { "#registry=https://npm.example/\n", "# index-url = https://pip.example/simple\n", A, A },
    { "/", "/", D, D },
    { "registry=\xff", "\xff", D, D },
    { NULL, NULL, A, A, "[global]\ntimeout = 60\n" },
    { NULL, "[global]\ntimeout = 60\n", A, D, "[global]\nindex-url = https://pip.example/simple\n" },
    { NULL, NULL, A, D, "/" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *root = g_dir_make_tmp ("creel-archives-XXXXXX", NULL);
      g_autofree char *etc = g_build_filename (root, "etc", NULL);
      g_autoptr (CreelPolicy) policy = creel_policy_new (D);

      g_autofree char *xdg = g_build_filename (etc, "xdg/pip", NULL);

      g_assert_cmpint (g_mkdir_with_parents (xdg, 0700), ==, 0);
      write_archive_file (xdg, "pip.conf", cases[i].xdg_pip);
      write_archive_file (etc, "npmrc", cases[i].npmrc);
      write_archive_file (etc, "pip.conf", cases[i].pip);
      g_setenv ("CREEL_ROOT", root, TRUE);
      creel_archives_add_rules (policy);
      g_unsetenv ("CREEL_ROOT");
      g_test_message ("%" G_GSIZE_FORMAT, i);
      g_assert_cmpint (ask_archive (policy, "registry.npmjs.org", 443, "GET"), ==, cases[i].npm);
      g_assert_cmpint (ask_archive (policy, "registry.npmjs.org", 443, "PUT"), ==, D);
      g_assert_cmpint (ask_archive (policy, "pypi.org", 443, "GET"), ==, cases[i].pypi);
      g_assert_cmpint (ask_archive (policy, "files.pythonhosted.org", 443, "HEAD"), ==, cases[i].pypi);
      g_assert_cmpint (ask_archive (policy, "pypi.org", 443, "POST"), ==, D);
    }
}

static void
test_files (void)
{
  static const char *const presets[] = { "locked", "balanced", "open" };
  g_autoptr (CreelHost) other = creel_host_parse ("other.com", -1, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("creel-policy-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (directory, "10.conf", NULL);
  g_autoptr (CreelPolicy) policy = make ("+ok.com|+bad.com");
  g_autoptr (CreelHost) bad = creel_host_parse ("bad.com", -1, NULL);
  g_auto (CreelDecision) decision = { 0 };

  g_setenv ("CREEL_POLICY_PRESETS", CREEL_TEST_PRESETS, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    {
      g_autoptr (CreelPolicy) preset = creel_policy_new (CREEL_VERDICT_DENY);
      g_autoptr (CreelPolicy) asking = creel_policy_new (CREEL_VERDICT_ASK);
      g_auto (CreelDecision) asked = { 0 };

      g_assert_true (creel_policy_add_preset (preset, presets[i], &error));
      g_assert_no_error (error);
      g_assert_true (creel_policy_add_preset (asking, presets[i], &error));
      creel_policy_decide (asking, HTTPS, other, 443, NULL, NULL, &asked);
      g_assert_cmpint (asked.verdict, ==, CREEL_VERDICT_ASK);
    }
  g_assert_false (creel_policy_add_preset (policy, "../open", NULL));

  g_assert_true (g_file_set_contents (file, "# no\n[Policy]\nDeny=bad.com\n", -1, NULL));
  g_assert_true (creel_policy_add_ceiling (policy, directory, &error));
  creel_policy_decide (policy, HTTPS, bad, 443, NULL, NULL, &decision);
  g_assert_cmpint (decision.verdict, ==, D);
  g_assert_cmpstr (decision.origin, ==, "10.conf:3");
  g_assert_true (g_file_set_contents (file, "Deny=bad com /x\nNonsense\n", -1, NULL));
  g_assert_false (creel_policy_add_ceiling (policy, directory, NULL));
  g_assert_true (g_file_set_contents (file, "Allow=bad.com\n", -1, NULL));
  g_assert_false (creel_policy_add_ceiling (policy, directory, NULL));
  g_assert_true (creel_policy_add_ceiling (policy, "/nonexistent", &error));
  g_unlink (file);
  g_rmdir (directory);
}

static void
test_network_check (void)
{
  static const struct
  {
    const char *url, *method, *verdict, *rule; /* verdict NULL: not a URL; rule is then a part of the error */
  } cases[] = {
    { "https://a.example/x?y", "", "allow", "a.example" },
    { "HTTPS://A.example:443", "POST", "allow", "a.example" },
    { "a.example", "", "allow", "a.example" },
    { "a.example:80", "", "allow", "a.example" },
    { "http://a.example", "", "allow", "a.example" },
    { "wss://a.example/socket", "", "allow", "a.example" },
    { "ws://a.example/socket", "", "allow", "a.example" },
    { "a.example:8443", "", "deny", "" },
    { "b.example", "", "deny", "" },
    { "https://c.example/in/file", "GET", "allow", "c.example GET /in/**" },
    { "https://c.example/in/../out", "GET", "deny", "" },
    { "https://c.example/in/file", "PUT", "deny", "" },
    { "https://d.example/", "", "ask", "d.example" },
    { "tcp://e.example:22", "", "allow", "tcp://e.example:22" },
    { "e.example:22", "", "allow", "tcp://e.example:22" },
    { "https://e.example:22", "", "deny", "" },
    { "a.example:22", "", "deny", "" },
    { "", "", NULL, "no host" },
    { "https:///x", "", NULL, "no host" },
    { "ftp://a.example/", "", NULL, "scheme" },
    { "https://me:sesame@a.example/", "", NULL, "name or password" },
    { "tcp://a.example", "", NULL, "port" },
    { "a.example:0", "", NULL, "port" },
    { "a b", "", NULL, "host" },
    { "https://a.example/", "get", NULL, "capitals" },
    { "https://a.example/", "GET /x", NULL, "capitals" },
  };
  g_autoptr (CreelPolicy) policy = make ("+a.example|+c.example GET /in/**|?d.example|+tcp://e.example:22");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) decision = creel_network_check (policy, cases[i].url, cases[i].method, &error);
      const char *verdict = "", *rule = "", *origin = "";

      g_test_message ("%s %s", cases[i].url, cases[i].method);
      if (cases[i].verdict == NULL)
        {
          g_assert_null (decision);
          g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
          g_assert_nonnull (strstr (error->message, cases[i].rule));
          g_assert_null (strstr (error->message, "sesame"));
          continue;
        }
      g_assert_no_error (error);
      g_variant_ref_sink (decision);
      g_assert_true (g_variant_lookup (decision, "verdict", "&s", &verdict) && g_variant_lookup (decision, "rule", "&s", &rule) &&
                     g_variant_lookup (decision, "origin", "&s", &origin));
      g_assert_cmpstr (verdict, ==, cases[i].verdict);
      g_assert_cmpstr (rule, ==, cases[i].rule);
      g_assert_cmpstr (origin, ==, rule[0] != '\0' ? "test:1" : "");
    }
}

static void
test_network_check_pattern (void)
{
  static const char *const cases[][2] = {
    { "https://B.example/x", "b.example:443" },   { "http://b.example", "b.example:80" },      { "b.example:8443", "b.example:8443" },
    { "https://[2001:DB8::1]/", "[2001:db8::1]:443" }, { "tcp://b.example:22", "tcp://b.example:22" }, { "b.example:22", "tcp://b.example:22" }, { "localhost:99", "localhost:99" },
  };
  g_autoptr (CreelPolicy) policy = creel_policy_new (D);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) decision = g_variant_ref_sink (creel_network_check (policy, cases[i][0], "", NULL));
      g_autoptr (CreelPolicy) opened = creel_policy_new (D);
      g_autoptr (GVariant) again = NULL;
      const char *text;

      g_assert_true (g_variant_lookup (decision, "pattern", "&s", &text));
      g_assert_cmpstr (text, ==, cases[i][1]);
      creel_policy_take_rule (opened, creel_rule_parse (A, text, "test", NULL));
      again = g_variant_ref_sink (creel_network_check (opened, cases[i][0], "", NULL));
      g_assert_true (g_variant_lookup (again, "verdict", "&s", &text));
      g_assert_cmpstr (text, ==, "allow");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/decide", test_decide);
  g_test_add_func ("/policy/no-policy-denies", test_no_policy_denies);
  g_test_add_func ("/policy/floor", test_floor);
  g_test_add_func ("/policy/own-address", test_own_address);
  g_test_add_func ("/policy/conditional", test_conditional);
  g_test_add_func ("/policy/answered-floor", test_answered_floor);
  g_test_add_func ("/policy/only-for", test_only_for);
  g_test_add_func ("/policy/bad-rules", test_bad_rules);
  g_test_add_func ("/policy/path", test_path);
  g_test_add_func ("/policy/files", test_files);
  g_test_add_func ("/policy/network-check", test_network_check);
  g_test_add_func ("/policy/network-check-pattern", test_network_check_pattern);
  g_test_add_func ("/policy/archives", test_archives);
  g_test_add_func ("/policy/archives-default", test_archives_default);
  return g_test_run ();
}
