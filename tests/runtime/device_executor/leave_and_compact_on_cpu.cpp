// The real source of the exit kernel, in four places; an entry for Python, and a program for sanitizers.
#include "cuda_on_cpu.h"

#define leave_and_compact leave_and_compact_0
namespace place_0 {
#include "leave_and_compact.cu"
}
#undef leave_and_compact
#define leave_and_compact leave_and_compact_1
namespace place_1 {
#include "leave_and_compact.cu"
}
#undef leave_and_compact
#define leave_and_compact leave_and_compact_2
namespace place_2 {
#include "leave_and_compact.cu"
}
#undef leave_and_compact
#define leave_and_compact leave_and_compact_3
namespace place_3 {
#include "leave_and_compact.cu"
}
#undef leave_and_compact

using place_0::address;
static std::atomic<address> selected_handle{0};
static std::atomic<unsigned> selected_value{0}, selections{0};

extern "C" void cudaGraphSetConditional(address selector, unsigned int value) {
    selected_handle = selector, selected_value = value, selections++;
}

// How often a conditional value was set since the last call, and the last one.
extern "C" unsigned take_selections(address* selector, unsigned* value) {
    *selector = selected_handle, *value = selected_value;
    return selections.exchange(0);
}

extern "C" int run_leave_and_compact(
    const void* table, address selector, unsigned grid_x, unsigned grid_y, int threads, int at_once, unsigned seed
) {
    const std::vector<Kernel> places = {
        [&] { place_0::leave_and_compact_0((const place_0::Table*)table, selector); },
        [&] { place_1::leave_and_compact_1((const place_1::Table*)table, selector); },
        [&] { place_2::leave_and_compact_2((const place_2::Table*)table, selector); },
        [&] { place_3::leave_and_compact_3((const place_3::Table*)table, selector); },
    };
    return run_grid(places, {grid_x, grid_y}, threads, at_once, seed);
}

#ifdef WITH_MAIN
// Random batches of exactly the bytes that they need. `careless` says that no moved value is read by answers, though
// one is: blocks then race, and a sanitizer must say so.
int main(int count, char** words) {
    bool careless = count > 1 && std::strcmp(words[1], "careless") == 0;
    for (unsigned seed = 0; seed < 24; seed++) {
        std::mt19937 random(seed);
        auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
#ifdef FOLD
        const int fold = FOLD, state = 2;
#else
        const int fold = 1, state = 1;
#endif
        static const int sizes[] = {1, 2, 4, 6, 12, 16, 40, 100, 4096};
        int most = draw(2, 24), rows = draw(2, most), classes = draw(1, 9), threads = draw(1, 2) * 4;
        int images = most * fold - draw(0, fold - 1);
        std::vector<int> header = {images, 0}, before(1 + state * most), after(1 + state * most), needed(fold + 1);
        std::vector<int> exits(most * fold, -1), signal(2), buckets(most + 1);
        float threshold = 0.5f;
        std::memcpy(&header[1], &threshold, sizeof threshold);
        std::vector<float> scores(rows * fold), logits(most * fold * classes), outputs(most * fold * classes);
        std::vector<float> confidence(most * fold);
        int survivors = 0, answers = 0;
        before[0] = rows;
        for (int image = 0; image <= fold; image++) needed[image] = draw(0, 1) ? image : std::min(image, 1);
        for (int row = 0; row < rows; row++) {
            before[1 + row] = draw(0, 3) ? row : -1;
            int real = std::min(fold, images - row * fold), now = 0, passed = 0;
            for (int image = 0; image < fold; image++) {
                bool is_sure = draw(0, 1), was_sure = fold > 1 && image < real && draw(0, 3) == 0;
                scores[row * fold + image] = is_sure ? 1.0f : 0.0f;
                if (was_sure) before[1 + most + row] |= (int)(1u << image);
                passed += was_sure || (is_sure && image < real);
                now += !was_sure && is_sure && image < real;
            }
            bool leaves = passed >= (fold > 1 ? needed[real] : 1);
            int waiting = real - passed;
            if (before[1 + row] < 0) continue;
            survivors += !leaves;
            answers += now + (leaves ? waiting : 0);
        }
        std::vector<int> next((most + 1) * (most + 1));
        next[rows * (most + 1) + survivors] = survivors + (survivors < rows ? draw(0, (rows - survivors) / 2) : 0);
        std::vector<ulonglong2> first(most * 256), second(most * 256);
        int bytes[] = {sizes[draw(0, 8)], sizes[draw(0, 8)]};
        std::vector<place_0::Moved> moved = {
            {(address)logits.data(), 4 * (address)(fold * classes)},
            {(address)first.data(), (address)bytes[0]},
            {(address)second.data(), (address)bytes[1]},
        };
        place_0::Table table = {
            (address)header.data(), (address)scores.data(), (address)logits.data(), (address)before.data(),
            (address)after.data(), (address)outputs.data(), (address)exits.data(), (address)confidence.data(),
            (address)signal.data(), (address)next.data(), (address)buckets.data(), (address)moved.data(),
            (address)needed.data(), 0, 0, classes, most, 3, careless ? 0 : 1,
        };
        unsigned parts = careless ? 4 : draw(1, 4);
        if (run_leave_and_compact(&table, 0, parts, most, threads, 4, seed)) return 2;
        int answered = 0, kept = 0;
        for (int exit : exits) answered += exit == 0;
        for (int row = 0; row < after[0]; row++) kept += after[1 + row] >= 0;
        if (kept != survivors || answered != answers || signal[0] != survivors) return 3;
    }
    return 0;
}
#endif
