/* Memory that goes from process to process beside a message. */

#include "pool_help.h"

static struct cj_block *
make_block(size_t size, int byte)
{
    struct cj_block *block;
    void *data;

    REQUIRE(cj_block_new(size, NULL, &block) == 0);
    REQUIRE(cj_block_map(block, CJ_BLOCK_WRITE, &data) == 0);
    memset(data, byte, size);
    return block;
}

static void
submit_blocks(struct cj_pool *pool, uint64_t number, const char *text,
              struct cj_block *const *blocks, size_t n_blocks)
{
    struct cj_bytes part = {text, strlen(text)};

    REQUIRE(cj_pool_submit_blocks(pool, number, &part, 1, blocks, n_blocks) == 0);
}

/* One block for many tasks, which hold it until they are over. */
static void
test_one_block_for_many_tasks(void)
{
    size_t n_descriptors = count_descriptors();
    struct cj_pool *pool = open_pool(2);
    struct cj_block *block = make_block(100000, 3);

    CHECK(cj_block_is_free(block));
    for (uint64_t i = 0; i < 50; i++) {
        submit_blocks(pool, i, "m", &block, 1);
    }
    CHECK(!cj_block_is_free(block) && cj_block_n_refs(block) == 51);
    for (int i = 0; i < 50; i++) {
        struct cj_pool_event event;

        REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
        CHECK(event.kind == CJ_POOL_RESULT && event_says(&event, "300000"));
        cj_pool_event_done(&event);
    }
    CHECK(cj_block_is_free(block));
    cj_block_unref(block);
    cj_pool_close(pool, SECOND);
    CHECK(count_descriptors() == n_descriptors);
}

/* What a worker writes is seen here, and what it makes arrives. */
static void
test_blocks_of_workers(void)
{
    size_t n_descriptors = count_descriptors();
    struct cj_pool *pool = open_pool(1);
    struct cj_block *blocks[] = {make_block(10, 1), make_block(5000, 0)}, *made;
    struct cj_pool_event event;
    void *data;

    for (int round = 0; round < 3; round++) {
        submit_blocks(pool, 1, "mn", blocks, 2);
        REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
        CHECK(event_says(&event, "10") && event.n_blocks == 1);
        REQUIRE(cj_block_take(&event.block_fds[0], &made) == 0);
        CHECK(cj_block_take(&event.block_fds[0], &made) == -EBADF);
        cj_pool_event_done(&event);
        REQUIRE(cj_block_map(made, CJ_BLOCK_READ, &data) == 0);
        CHECK(cj_block_size(made) == 70000 && ((char *)data)[69999] == 'n');
        cj_block_unref(made);
        REQUIRE(cj_block_map(blocks[1], CJ_BLOCK_WRITE, &data) == 0);
        CHECK(((char *)data)[4999] == 'w');
        /* An event that nobody looks at leaves nothing open either. */
        submit_blocks(pool, 2, "mn", blocks, 2);
        REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
        cj_pool_event_done(&event);
    }
    cj_block_unref(blocks[0]);
    cj_block_unref(blocks[1]);
    cj_pool_close(pool, SECOND);
    CHECK(count_descriptors() == n_descriptors);
}

static void
test_a_kept_block_is_never_free(void)
{
    struct cj_pool *pool = open_pool(1);
    struct cj_block *block = make_block(10, 2), *other = make_block(10, 4);

    submit_blocks(pool, 1, "mk", &block, 1);
    submit_blocks(pool, 2, "m", &other, 1);
    expect(pool, CJ_POOL_RESULT, 1, "20");
    expect(pool, CJ_POOL_RESULT, 2, "40");
    CHECK(!cj_block_is_free(block) && cj_block_n_refs(block) == 1);
    CHECK(cj_block_is_free(other));
    cj_block_unref(block);
    cj_block_unref(other);
    cj_pool_close(pool, SECOND);
}

/* Workers die, tasks are cancelled: the blocks are free again, and nothing is open. */
static void
test_blocks_of_the_dead(void)
{
    size_t n_descriptors = count_descriptors();
    struct cj_pool *pool = open_pool(2);
    struct cj_block *block = make_block(100, 1);

    for (int round = 0; round < 10; round++) {
        submit_blocks(pool, 1, "x5", &block, 1);
        submit_blocks(pool, 2, "p", &block, 1);
        CHECK(expect_death(pool, 1, 0) == 5 << 8);
        cj_pool_cancel(pool);
        submit_blocks(pool, 3, "m", &block, 1);
        expect(pool, CJ_POOL_RESULT, 3, "100");
        CHECK(cj_block_is_free(block));
    }
    cj_block_unref(block);
    cj_pool_close(pool, SECOND);
    CHECK(count_descriptors() == n_descriptors);
}

static void
test_spill(void)
{
    struct cj_block *block;

    CHECK(cj_block_new(0, NULL, &block) == -EINVAL);
    /* More than there can be: memory refuses, and so does the folder. */
    CHECK(cj_block_new((size_t)1 << 52, NULL, &block) < 0);
    CHECK(cj_block_new((size_t)1 << 52, "/tmp", &block) < 0);
    CHECK(cj_block_new((size_t)1 << 52, "/nonexistent", &block) == -ENOENT);
    cj_block_unref(NULL);
}

TESTS(TEST(test_one_block_for_many_tasks), TEST(test_blocks_of_workers),
      TEST(test_a_kept_block_is_never_free), TEST(test_blocks_of_the_dead),
      TEST(test_spill))
