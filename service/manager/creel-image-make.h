/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"

/* BuildImage of a recipe that is made of packages; answers the call. */
void creel_image_make_build (CreelCall *call, const char *recipe, const char *reference);
