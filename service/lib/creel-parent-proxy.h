/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-policy.h"

/* The proxy of a company or school through which alone this machine reaches the internet: section [Network] of
 * /etc/creel/creel.conf, keys Proxy=SCHEME://HOST:PORT (http, https, socks5), ProxyCredential=NAME (a secret "USER:PASSWORD" of
 * the sandbox's owner), ProxyResolves=yes|no (names that this machine cannot resolve are left to it; no), NoProxy=PATTERN[:PORT]
 * (list; reached directly; patterns as in rules). */
typedef enum
{
  CREEL_PARENT_HTTP,
  CREEL_PARENT_HTTPS,
  CREEL_PARENT_SOCKS5,
} CreelParentKind;

typedef struct
{
  CreelParentKind kind;
  CreelHost *host;
  guint16 port;
  char *credential; /* or NULL */
  gboolean resolves;
  CreelPolicy *direct; /* allows what goes without the proxy */
} CreelParentProxy;
CreelParentProxy *creel_parent_proxy_ref (CreelParentProxy *parent);
void creel_parent_proxy_unref (CreelParentProxy *parent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelParentProxy, creel_parent_proxy_unref)

/* path NULL: the file above. NULL in ret_parent when none is named, also when there is no file. CREEL_ERROR_BAD_DEFINITION
 * with file and line, or an error of reading: then nothing may be dialled. */
gboolean creel_parent_proxy_load (const char *path, CreelParentProxy **ret_parent, GError **error);
gboolean creel_parent_proxy_is_for (const CreelParentProxy *parent, const CreelHost *host, guint16 port);
