/* All of cjoblib's C API: digests, compressed streams and arrays, files that are
 * replaced as a whole, the store, the process pool, the number of processors, traces.
 */

#ifndef CJ_CJOBLIB_H
#define CJ_CJOBLIB_H

#include <cjoblib/array.h>
#include <cjoblib/base.h>
#include <cjoblib/codec.h>
#include <cjoblib/cpu.h>
#include <cjoblib/digest.h>
#include <cjoblib/file.h>
#include <cjoblib/pool.h>
#include <cjoblib/store.h>
#include <cjoblib/trace.h>
#include <cjoblib/version.h>

#endif
