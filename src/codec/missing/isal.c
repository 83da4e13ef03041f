#include "codec/deflate.h"

const struct deflate_engine deflate_by_isal = {0};
