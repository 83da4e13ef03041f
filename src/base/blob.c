#include <sys/mman.h>

#include "base/memory.h"
#include "cjoblib/base.h"
#include "cjoblib/version.h"

void
cj_blob_done(struct cj_blob *blob)
{
    if (blob->mapped_bytes > 0) {
        munmap(blob->data, blob->mapped_bytes);
    }
    else {
        mem_free(blob->data);
    }
    *blob = (struct cj_blob)CJ_BLOB_INIT;
}

const char *
cj_version(void)
{
    return CJ_VERSION;
}
