// One launch after each exit: who leaves, their answers, and the survivors moved together.
//
// Grid: x = parts of a row, y = rows of the batch (at least as many as there are). Every block counts the survivors for
// itself, so that no block waits for another; that costs rows / blockDim.x steps of a scan in shared memory.
//
// Row i of the batch holds sample in[i], or nobody where that is negative. After the launch the first `next` rows hold
// all survivors: those behind row `next` have moved into rows whose sample has left, in order. No row is both a source
// and a target, so blocks may move at once; nobody writes what another block reads, but for the answers' logits (see
// `move`). `next` comes from a table of the cheapest number of rows.
//
// Answers and `signal` lie in pinned memory. No fence of the system is needed: the host reads them after an event that
// was recorded behind the launch, and all writes of a launch are seen when it has ended. Nobody polls.
//
// With FOLD, 2 to 32, a row is a group of so many images, and in[i] its number; answers are by image. An image is
// answered at the first exit that it passes, and the row goes on until enough of its images have passed; those that have
// not are answered where the row leaves. Images that fill up the last row never pass, and are never answered.
//
// eerun/device_executor/exit_table.py has the same layout, leave_and_compact.py the same steps in numpy.

typedef unsigned char byte;
typedef unsigned int word;
typedef unsigned long long address;

struct Table {
    address header;       // { int samples; float thresholds[exits]; }
    address scores;       // float[rows]; with FOLD float[rows][FOLD]
    address logits;       // float[rows][classes]; with FOLD float[rows][FOLD][classes]
    address before;       // { int rows; int sample[max_rows]; }, 0 at the first exit: all samples, in order; with FOLD
                          // also word passed[max_rows] behind them: bits of the images that are answered
    address after;        // the same, written
    address outputs;      // float[max_rows][classes], by sample; with FOLD float[max_rows * FOLD][classes], by image
    address exit_index;   // int[max_rows] or int[max_rows * FOLD], alike
    address confidence;   // float, alike
    address signal;       // { int survivors; int next; }
    address next_rows;    // int[max_rows + 1][max_rows + 1]: rows, survivors -> rows to run next
    address next_bucket;  // int[max_rows + 1]: rows -> number of the bucket of the next segment
    address moved;        // Moved[moved_count]: what survivors take along
    address needed;       // with FOLD int[FOLD + 1]: images of a group -> how many must have passed for it to leave
    int exit;
    int is_last;
    int classes;
    int max_rows;
    int moved_count;
    int moved_with_answer;  // so many of them, in front, are scores or logits of this exit
};

struct Moved {
    address rows;
    address row_bytes;
};

#ifdef WITH_SELECTOR
extern "C" __device__ __cudart_builtin__ void cudaGraphSetConditional(address selector, unsigned int value);
#endif

#define MAX_THREADS 256

__device__ static int sample_of(const Table* table, int row) {
    return table->before ? ((const int*)table->before)[1 + row] : row;
}

__device__ static float threshold_of(const Table* table) {
    return ((const float*)table->header)[1 + table->exit];
}

#ifdef FOLD
__device__ static int rows_in(int images) {
    return (images + FOLD - 1) / FOLD;
}

// How many images a row has without those that fill it up; somebody is there.
__device__ static int images_of(const Table* table, int row) {
    int left = ((const int*)table->header)[0] - sample_of(table, row) * FOLD;
    return left < FOLD ? left : FOLD;
}

// Bits of these images.
__device__ static word real(const Table* table, int row) {
    return ~(word)0 >> (32 - images_of(table, row));
}

// Bits of the images of a row that passed an earlier exit.
__device__ static word passed_before(const Table* table, int row) {
    return table->before ? ((const word*)table->before)[1 + table->max_rows + row] : 0;
}

// Bits of the images of a row that passed an earlier exit or this one.
__device__ static word passed(const Table* table, int row) {
    const float* scores = (const float*)table->scores + (address)row * FOLD;
    float threshold = threshold_of(table);
    word here = 0;
    for (int image = 0; image < FOLD; image++) here |= (word)(scores[image] >= threshold) << image;
    return passed_before(table, row) | (here & real(table, row));
}

__device__ static bool leaves(const Table* table, int row) {
    return table->is_last || __popc(passed(table, row)) >= ((const int*)table->needed)[images_of(table, row)];
}
#else
__device__ static int rows_in(int samples) {
    return samples;
}

__device__ static bool leaves(const Table* table, int row) {
    return table->is_last || ((const float*)table->scores)[row] >= threshold_of(table);
}
#endif

__device__ static bool survives(const Table* table, int row) {
    return sample_of(table, row) >= 0 && !leaves(table, row);
}

// How many rows of first .. end - 1 have (`wanted`) or lack survivors.
__device__ static int count(const Table* table, int first, int end, bool wanted) {
    int total = 0;
    for (int start = first; start < end; start += blockDim.x) {
        int row = start + (int)threadIdx.x;
        total += __syncthreads_count(row < end && survives(table, row) == wanted);
    }
    return total;
}

// The survivor of rows first .. end - 1 that has `rank` survivors before it; -1: there is none.
__device__ static int find(const Table* table, int first, int end, int rank) {
    __shared__ int sums[MAX_THREADS];
    __shared__ int found;
    if (threadIdx.x == 0) found = -1;
    int before = 0, thread = (int)threadIdx.x, threads = (int)blockDim.x;
    for (int start = first; start < end; start += threads) {
        int row = start + thread;
        int here = row < end && survives(table, row);
        sums[thread] = here;
        __syncthreads();
        for (int step = 1; step < threads; step *= 2) {  // inclusive scan
            int left = thread >= step ? sums[thread - step] : 0;
            __syncthreads();
            sums[thread] += left;
            __syncthreads();
        }
        if (here && before + sums[thread] - 1 == rank) found = row;
        before += sums[threads - 1];
        __syncthreads();
    }
    __syncthreads();
    return found;
}

template <typename Unit>
__device__ static void copy_as(address target, address source, address bytes) {
    for (address i = threadIdx.x; i < bytes / sizeof(Unit); i += blockDim.x) {
        ((Unit*)target)[i] = ((const Unit*)source)[i];
    }
}

__device__ static void copy(address target, address source, address bytes) {
    address together = target | source | bytes;
    if (together % sizeof(ulonglong2) == 0) copy_as<ulonglong2>(target, source, bytes);
    else if (together % sizeof(word) == 0) copy_as<word>(target, source, bytes);
    else copy_as<byte>(target, source, bytes);
}

#ifdef FOLD
// The images of a row that no earlier exit has answered: all where it leaves, else those that pass here.
__device__ static void answer(const Table* table, int row, int sample, bool goes_on) {
    int classes = table->classes;
    word bits = (goes_on ? passed(table, row) : real(table, row)) & ~passed_before(table, row);
    const float* logits = (const float*)table->logits + (address)row * FOLD * classes;
    float* outputs = (float*)table->outputs + (address)sample * FOLD * classes;
    for (int i = threadIdx.x; i < FOLD * classes; i += blockDim.x) {
        if (bits >> i / classes & 1) outputs[i] = logits[i];
    }
    for (int image = threadIdx.x; image < FOLD; image += blockDim.x) {
        if (!(bits >> image & 1)) continue;
        ((int*)table->exit_index)[sample * FOLD + image] = table->exit;
        ((float*)table->confidence)[sample * FOLD + image] = ((const float*)table->scores)[row * FOLD + image];
    }
}
#else
__device__ static void answer(const Table* table, int row, int sample) {
    const float* logits = (const float*)table->logits + (address)row * table->classes;
    float* outputs = (float*)table->outputs + (address)sample * table->classes;
    for (int i = threadIdx.x; i < table->classes; i += blockDim.x) outputs[i] = logits[i];
    if (threadIdx.x == 0) {
        ((int*)table->exit_index)[sample] = table->exit;
        ((float*)table->confidence)[sample] = ((const float*)table->scores)[row];
    }
}
#endif

// This block's part of a row. What answers read as well (the logits of this exit, where a later segment reads them)
// belongs to the first part of the target's row, which has written the answer of the sample that left there. Row sizes
// are 64 bits wide, so that rows times bytes never overflow.
__device__ static void move(const Table* table, int target, int source) {
    const Moved* moved = (const Moved*)table->moved;
    for (int i = 0; i < table->moved_count; i++) {
        address bytes = moved[i].row_bytes, part = bytes, start = 0;
        if (i >= table->moved_with_answer) {
            part = ((bytes + gridDim.x - 1) / gridDim.x + 15) / 16 * 16;
            start = part * blockIdx.x;
        } else if (blockIdx.x != 0) {
            continue;
        }
        if (start >= bytes) continue;
        address end = start + part < bytes ? start + part : bytes;
        copy(moved[i].rows + target * bytes + start, moved[i].rows + source * bytes + start, end - start);
    }
}

__device__ static void finish(const Table* table, int survivors, int next, address selector) {
    ((int*)table->after)[0] = next;
    ((int*)table->signal)[0] = survivors;
    ((int*)table->signal)[1] = next;
#ifdef WITH_SELECTOR
    // Also when nobody is left: the selector begins at 0, which is a bucket. Any handle may be valid, 0 too.
    if (!table->is_last) cudaGraphSetConditional(selector, (unsigned int)((const int*)table->next_bucket)[next]);
#endif
}

extern "C" __global__ void leave_and_compact(const Table* table, address selector) {
    int rows = table->before ? ((const int*)table->before)[0] : rows_in(((const int*)table->header)[0]);
    int row = (int)blockIdx.y;
    bool first_part = blockIdx.x == 0;
    if (row >= rows && !(row == 0 && first_part)) return;
    int survivors = count(table, 0, rows, true);
    int next = survivors ? ((const int*)table->next_rows)[(address)rows * (table->max_rows + 1) + survivors] : 0;
    if (row == 0 && first_part && threadIdx.x == 0) finish(table, survivors, next, selector);
    if (row >= rows) return;
    int sample = sample_of(table, row);
    bool goes_on = survives(table, row);
#ifdef FOLD
    if (first_part && sample >= 0) answer(table, row, sample, goes_on);
#else
    if (first_part && sample >= 0 && !goes_on) answer(table, row, sample);
#endif
    if (row >= next) return;
    int source = goes_on ? row : find(table, next, rows, count(table, 0, row, false));
    if (first_part && threadIdx.x == 0) {
        ((int*)table->after)[1 + row] = source < 0 ? -1 : sample_of(table, source);
#ifdef FOLD
        ((word*)table->after)[1 + table->max_rows + row] = source < 0 ? 0 : passed(table, source);
#endif
    }
    if (source >= 0 && source != row) move(table, row, source);  // after the answer: `find` let all threads meet
}
