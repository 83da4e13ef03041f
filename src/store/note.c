#include "base/cleanup.h"
#include "store/entry.h"
#include "store/place.h"
#include "store/shelf.h"
#include "sys/clock.h"

/* A note is a file like an entry's, whose arguments are all zero. */

int
cj_shelf_note_get(struct cj_shelf *shelf, struct cj_entry *ret_note)
{
    return shelf_find(shelf, PLACE_NOTE, &shelf->key, ret_note);
}

int
cj_shelf_note_put(struct cj_shelf *shelf, struct cj_bytes note)
{
    AUTO(entry_image_done) struct entry_image image = ENTRY_IMAGE_INIT;
    struct cj_bytes none = {NULL, 0};
    int r = entry_encode(&image, &shelf->key, clock_wall_ns(), none, &note, 1);

    return r < 0 ? r : shelf_publish(shelf, PLACE_NOTE, &image);
}
