/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-host.h"

/* Who may be reached. Pure: no I/O, no clock. Used by the gateway for every request, by creeld to check what
 * it writes and to answer "network check" for a stopped sandbox.
 *
 * A rule is  PATTERN[:PORT] [METHOD[,METHOD...]] [PATH-GLOB...]  with a verdict. PATTERN is an exact host,
 * "*.example.com" (exactly one label), "**.example.com" (one or more labels), "*" or "**" (any name or
 * public address), CIDR v4/v6, "localhost[:PORT]" (a service of the host; without a port the model runner's
 * port only), "tcp://HOST:PORT" (bytes not interpreted). A rule without a port means 80 and 443, a denial without a
 * port every port; port * is every port. In a glob * is any text without a slash, ** any text.
 * A range opens reserved addresses (private, ...) only when it lies wholly within one reserved range: 10.0.0.0/8 does,
 * 0.0.0.0/0 does not. Metadata services need their exact address.
 * Deny and ask rules hold for a path also as servers read it: what is encoded without need decoded, parameters (";x") cut off,
 * without case.
 * Deny wins, then what was approved, then ask, then allow, then the default. An ask rule for addresses holds for who connects to an
 * address, not for names that lead there. Nothing, or something unreadable, denies. */
typedef enum
{
  CREEL_VERDICT_DENY, /* zero: what is forgotten is denied */
  CREEL_VERDICT_ASK,
  CREEL_VERDICT_ALLOW,
} CreelVerdict;
/* "deny", "ask", "allow" */
const char *creel_verdict_get_name (CreelVerdict verdict);
gboolean creel_verdict_parse (const char *name, CreelVerdict *ret_verdict);

typedef struct _CreelRule CreelRule;
typedef struct _CreelPolicy CreelPolicy;

/* `origin` is where it was written ("50-definition.conf:7"); shown by network check. */
CreelRule *creel_rule_parse (CreelVerdict verdict, const char *text, const char *origin, GError **error);
/* A permission that was given as the answer to a question: it goes before ask rules, not before denials. */
void creel_rule_set_approved (CreelRule *rule);
/* TRUE when it opens this one host and port and no other. */
gboolean creel_rule_is_only_for (const CreelRule *rule, const CreelHost *host, guint16 port);
void creel_rule_free (CreelRule *rule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelRule, creel_rule_free)
const char *creel_rule_get_text (const CreelRule *rule);
const char *creel_rule_get_origin (const CreelRule *rule);

CreelPolicy *creel_policy_new (CreelVerdict default_verdict);
CreelPolicy *creel_policy_ref (CreelPolicy *policy);
void creel_policy_unref (CreelPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelPolicy, creel_policy_unref)
void creel_policy_take_rule (CreelPolicy *policy, CreelRule *rule);
/* Adds the rules of a preset: "locked" (none), "balanced", "open" (default verdict allow for public hosts). */
gboolean creel_policy_add_preset (CreelPolicy *policy, const char *preset, GError **error);
/* Adds the administrator's denials, *.conf of `directory` (NULL: /etc/creel/policy.d), which nothing overrides. A
 * missing directory is none; a file that cannot be read or understood is an error: then nothing may be allowed. */
gboolean creel_policy_add_ceiling (CreelPolicy *policy, const char *directory, GError **error);
/* Adds the lines Default=, Allow=, Ask=, Deny= of a file of the above two kinds. */
gboolean creel_policy_add_text (CreelPolicy *policy, const char *text, const char *origin, GError **error);

typedef enum
{
  CREEL_SCHEME_UNKNOWN, /* transparent, before the first bytes are seen */
  CREEL_SCHEME_HTTP,
  CREEL_SCHEME_HTTPS,
  CREEL_SCHEME_TCP, /* only a tcp:// rule allows it */
} CreelScheme;

typedef struct
{
  CreelVerdict verdict;
  char *rule;   /* the text of the rule that decided, or NULL: the default did */
  char *origin; /* where it stands, or NULL */
  char *reason; /* one of the reasons of the standard refusal, "" when allowed */
  gboolean needs_request; /* allowed or denied only by method or path: intercept, then ask again with them */
  gboolean asked;         /* a person said yes where the policy says ask; set by who asked */
  gboolean conditional;   /* what decided holds for this method or path only */
} CreelDecision;
void creel_decision_clear (CreelDecision *decision);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelDecision, creel_decision_clear)

/* method and path may be NULL (a tunnel): then a rule that names them neither allows nor denies but sets
 * needs_request. path is canonical (creel_path_canonicalize); NULL beside a method: it can be read in two ways, and sets
 * needs_request when a rule names paths. */
void creel_policy_decide (const CreelPolicy *policy, CreelScheme scheme, const CreelHost *host, guint16 port,
                          const char *method, const char *path, CreelDecision *ret_decision);

/* The address floor. FALSE with a reason when a connection to `address` for `host`:`port` is refused:
 * loopback, private, link-local, metadata, CGNAT, multicast, ULA, NAT64/6to4/mapped forms, ... unless a CIDR or
 * localhost:PORT rule of the policy names it. asked: the owner
 * was asked about this host and port and said yes; then an ask rule that names the address opens it too. */
gboolean creel_policy_address_allowed (const CreelPolicy *policy, const CreelHost *host, GInetAddress *address,
                                       guint16 port, gboolean asked, const char **ret_reason);

/* For an address that the host itself holds: only a rule for exactly this address or localhost:PORT opens it,
 * so that a permission for the office network is none for the services of this machine. */
gboolean creel_policy_own_address_allowed (const CreelPolicy *policy, const CreelHost *host, GInetAddress *address,
                                           guint16 port, gboolean asked);

/* Dot segments, %-forms and double slashes resolved once; NULL when no two parsers would agree. Without the query. */
char *creel_path_canonicalize (const char *path, GError **error);

/* Reasons of the standard refusal, as sent in Creel-Denied and logged in CREEL_REASON. */
#define CREEL_REASON_POLICY "policy"                     /* no rule allows it */
#define CREEL_REASON_RULE "rule"                         /* a rule denies it */
#define CREEL_REASON_DECLINED "declined"                 /* the owner was asked and said no */
#define CREEL_REASON_UNANSWERED "unanswered"             /* the owner was asked, or could not be, and said nothing in time */
#define CREEL_REASON_QUESTIONS "questions"               /* 429: too many questions wait for the owner already */
#define CREEL_REASON_ADDRESS "address"                   /* the address floor */
#define CREEL_REASON_IDENTITY "identity"                 /* CONNECT, SNI and Host disagree: 421 */
#define CREEL_REASON_MALFORMED "malformed"               /* 400 */
#define CREEL_REASON_UNRESOLVABLE "unresolvable"         /* 502 */
#define CREEL_REASON_UNREACHABLE "unreachable"           /* 502 */
#define CREEL_REASON_UPSTREAM_TLS "upstream-tls"         /* 502: its certificate does not verify */
#define CREEL_REASON_UPSTREAM "upstream"                 /* 502: it does not speak proper HTTP */
#define CREEL_REASON_CREDENTIAL "credential"             /* 503: no key available; the text says why */
#define CREEL_REASON_LEAK "leak"                         /* a response carried the key and could not be scrubbed */
#define CREEL_REASON_AUDIT "audit"                       /* 503: the journal cannot take the entry */
#define CREEL_REASON_LIMIT "limit"                       /* 429 or 503 */
#define CREEL_REASON_NOT_READY "not-ready"               /* 503: no policy could be read */
