// Runs CUDA source on the CPU. Every thread of a block is a thread; several blocks can run at once, each in a place of
// its own, because a `__shared__` variable is a static one: include the source once for each place, in a namespace.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
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

// Where the threads of a block meet. `std::barrier` would do, but its waiting goes through state that all barriers of
// the process share, which to a sanitizer orders blocks that nothing else orders.
class Barrier {
public:
    explicit Barrier(int threads) : threads_(threads) {}

    // Waits for all threads; returns the sum of what they gave.
    int meet(int given) {
        std::unique_lock lock(mutex_);
        sum_ += given;
        if (++waiting_ == threads_) {
            release();
        } else {
            phase_met_.wait(lock, [this, phase = phase_] { return phase_ != phase; });
        }
        return total_;
    }

    // This thread comes no more.
    void leave() {
        std::unique_lock lock(mutex_);
        if (--threads_ && waiting_ == threads_) release();
    }

private:
    void release() {
        total_ = sum_;
        sum_ = waiting_ = 0;
        phase_++;
        phase_met_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable phase_met_;
    int threads_, waiting_ = 0, phase_ = 0, sum_ = 0, total_ = 0;
};

struct Block {
    explicit Block(int threads) : barrier(threads), passed(threads) {}
    Barrier barrier;
    std::vector<int> passed;  // barriers, by thread
};

static thread_local Index threadIdx, blockIdx, blockDim, gridDim;
static thread_local Block* this_block;
static thread_local int barriers;

static inline int __popc(unsigned int bits) {
    return std::popcount(bits);
}

static inline void __syncthreads() {
    barriers++;
    this_block->barrier.meet(0);
}

static inline int __syncthreads_count(int wanted) {
    barriers++;
    return this_block->barrier.meet(wanted != 0);
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
    std::vector<std::unique_ptr<Barrier>> teams;
    std::vector<std::unique_ptr<Block>> blocks(at_once);
    for (int place = 0; place < at_once; place++) {
        teams.push_back(std::make_unique<Barrier>(threads));
        for (int thread = 0; thread < threads; thread++) {
            Barrier* team = teams.back().get();
            all.emplace_back([&, place, thread, team] {
                for (size_t turn = place; turn < order.size(); turn += at_once) {
                    unsigned number = order[turn];
                    if (thread == 0) blocks[place] = std::make_unique<Block>(threads);
                    team->meet(0);
                    this_block = blocks[place].get();
                    barriers = 0;
                    threadIdx = {(unsigned)thread, 0}, blockIdx = {number % grid.x, number / grid.x};
                    blockDim = {(unsigned)threads, 1}, gridDim = grid;
                    places[place]();
                    this_block->passed[thread] = barriers;
                    this_block->barrier.leave();
                    team->meet(0);
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
