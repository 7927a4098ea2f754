// Runs CUDA source on the CPU. Every thread of a block is a thread; several blocks can run at once, each in a place of
// its own, because a `__shared__` variable is a static one: include the source once for each place, in a namespace.
#pragma once
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __cudart_builtin__
#define __shared__ static

struct alignas(16) ulonglong2 {
    unsigned long long x, y;
};

struct Index {
    unsigned x, y;
};

// One block: its barrier also adds up what `__syncthreads_count` is given.
struct Block {
    struct Tally {
        Block* block;
        void operator()() noexcept { block->counted = block->sum.exchange(0); }
    };
    explicit Block(int threads) : barrier(threads, Tally{this}), passed(threads) {}
    std::atomic<int> sum{0};
    int counted = 0;
    std::barrier<Tally> barrier;
    std::vector<int> passed;  // barriers, by thread
};

static thread_local Index threadIdx, blockIdx, blockDim, gridDim;
static thread_local Block* this_block;
static thread_local int barriers;

static inline void __syncthreads() {
    barriers++;
    this_block->barrier.arrive_and_wait();
}

static inline int __syncthreads_count(int wanted) {
    barriers++;
    if (wanted) this_block->sum++;
    this_block->barrier.arrive_and_wait();
    return this_block->counted;
}

using Kernel = std::function<void()>;

// Runs a grid; blocks come in an order that the seed draws, and take turns in the places, which know nothing of each
// other: to a sanitizer, nothing orders their blocks. Returns the number of blocks whose threads did not all pass the
// same barriers, which is undefined in CUDA.
static int run_grid(const std::vector<Kernel>& places, Index grid, int threads, int at_once, unsigned seed) {
    std::vector<unsigned> order(grid.x * grid.y);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    std::atomic<int> uneven{0};
    std::vector<std::thread> all;
    std::vector<std::unique_ptr<std::barrier<>>> teams;
    std::vector<std::unique_ptr<Block>> blocks(at_once);
    for (int place = 0; place < at_once; place++) {
        teams.push_back(std::make_unique<std::barrier<>>(threads));
        for (int thread = 0; thread < threads; thread++) {
            std::barrier<>* team = teams.back().get();
            all.emplace_back([&, place, thread, team] {
                for (size_t turn = place; turn < order.size(); turn += at_once) {
                    unsigned number = order[turn];
                    if (thread == 0) blocks[place] = std::make_unique<Block>(threads);
                    team->arrive_and_wait();
                    this_block = blocks[place].get();
                    barriers = 0;
                    threadIdx = {(unsigned)thread, 0}, blockIdx = {number % grid.x, number / grid.x};
                    blockDim = {(unsigned)threads, 1}, gridDim = grid;
                    places[place]();
                    this_block->passed[thread] = barriers;
                    this_block->barrier.arrive_and_drop();
                    team->arrive_and_wait();
                    const std::vector<int>& passed = this_block->passed;
                    if (thread == 0 && *std::min_element(passed.begin(), passed.end()) != passed[0]) uneven++;
                    if (thread == 0 && *std::max_element(passed.begin(), passed.end()) != passed[0]) uneven++;
                }
            });
        }
    }
    for (std::thread& each : all) each.join();
    return uneven;
}
