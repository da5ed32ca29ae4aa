/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-api.h"

/* bytes of the body of a request that changes something, and models that one may name */
#define CREEL_MODELS_ORDER_MAX (64 * 1024)
#define CREEL_MODELS_ORDER_MODELS_MAX 64

/* What a request that changes something wants of creeld. */
typedef struct
{
  const char *method; /* of creeld's interface Models; static */
  GPtrArray *calls;   /* of GVariant, its arguments: one call after the other */
  char *model;        /* as the client wrote it, UTF-8 without control characters; of several a list; NULL: all there are */
  char *target;       /* of a tag: the new name */
  gboolean stream;    /* the client wants to hear of the progress */
} CreelModelsOrder;
void creel_models_order_clear (CreelModelsOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelModelsOrder, creel_models_order_clear)

/* route: of an operation that changes something and is done here. A setting that is not understood is refused, not left out; what else a body
 * says is not looked at, credentials neither: those come from keyrings. The error is for the client. */
gboolean creel_models_order_parse (const CreelModelsRoute *route, const char *body, gsize size, CreelModelsOrder *ret_order, GError **error);
