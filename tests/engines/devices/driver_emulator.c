/* A libcuda.so.1 for tests: the calls that eengines.devices.cuda makes, on memory of the host.

Streams are queues that run only when somebody waits, so a missing order shows. Memory begins as 0xAB, and work outside
of it, or on what was destroyed, is an error. Kernels are functions of the test. EMULATOR_* variables say what the GPU
is like; emulator_* functions are for the tests. Not here: captures of several streams,
dependencies other than a chain. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
       INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700,
       NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_ISOLATION = 905,
       CAPTURE_WRONG_THREAD = 908 };
enum { COPY, SET, KERNEL, RECORD, WAIT, LAUNCH, FREE, SWITCH };
enum { MEMORY, PINNED, STREAM, EVENT, GRAPH, EXEC, CONTEXT, KINDS };
enum { HOST = 1, DEVICE = 2 };
#define MAX_ARGUMENTS 32
#define API __attribute__((visibility("default"))) int

typedef struct Context { int refs, ordinal; struct Stream *legacy; } Context;
typedef struct Block { uint64_t address, size; int kind; Context *context; struct Block *next; } Block;
typedef struct Function { char name[64]; int arguments; void (*run)(const uint64_t *); struct Function *next; } Function;
typedef struct Object { int kind, live; Context *context; } Object;
typedef struct Graph Graph;
typedef struct Stream { Object object; struct Op *first, *last; long queued, done; Graph *graph; int mode, priority;
                        pthread_t thread; struct Stream *next; } Stream;
typedef struct Event { Object object; Stream *stream; long ticket; int timed; double ms; } Event;
typedef struct Op { int kind, chained; uint64_t a, b, n; Function *function; uint64_t arguments[MAX_ARGUMENTS];
                    Event *event; Stream *stream; long ticket; Graph *graph; int bodies; Graph **body;
                    struct Op *next; } Op;
struct Graph { Object object; Op *first, *last, *tail; int invalid, handles[64], count; Graph *owner; };

static pthread_mutex_t lock;
static Context contexts[8];
static Block *blocks;
static Function *functions;
static Stream *streams;
static int live[KINDS], sticky, started_in, selected[1024], selectors, fail_code, fail_after;
static char fail_name[64];
static double clock_ms;
static __thread Context *stack[32];
static __thread int depth, thread_mode;

static int setting(const char *name, int otherwise) { return getenv(name) ? atoi(getenv(name)) : otherwise; }
static int injected(const char *name) {
    if (strcmp(name, fail_name) || fail_after-- > 0) return OK;
    fail_name[0] = 0;
    return fail_code;
}
static int enter(const char *name, int needs_context) {
    int code = injected(name);
    if (!started_in || started_in != getpid()) return NOT_INITIALIZED;
    if (code) return code;
    return needs_context && !depth ? INVALID_CONTEXT : OK;
}
#define ENTER(needs_context) do { int code = enter(__func__, needs_context); if (code) return code; } while (0)
#define LOCKED(...) do { pthread_mutex_lock(&lock); __VA_ARGS__; pthread_mutex_unlock(&lock); } while (0)

static void *make(size_t size, int kind) {
    Object *object = calloc(1, size); /* never freed, so that use after destruction is seen */
    object->kind = kind, object->live = 1, object->context = depth ? stack[depth - 1] : NULL;
    live[kind]++;
    return object;
}
static int valid(void *object, int kind) { return object && ((Object *)object)->kind == kind && ((Object *)object)->live; }
static int destroy(void *object, int kind) {
    if (!valid(object, kind)) return INVALID_HANDLE;
    ((Object *)object)->live = 0, live[kind]--;
    return OK;
}

/* What CUDA forbids a thread while it captures: it ends every capture of the thread that is not relaxed. */
static int unsafe(void) {
    int hit = 0;
    for (Stream *s = streams; s; s = s->next)
        if (s->graph && s->mode != 2 && thread_mode != 2 && (s->mode == 0 || pthread_equal(s->thread, pthread_self())))
            s->graph->invalid = hit = 1;
    return hit ? CAPTURE_UNSUPPORTED : OK;
}

static Block *find(uint64_t address, uint64_t size) {
    for (Block *b = blocks; b; b = b->next)
        if (address >= b->address && address + size <= b->address + b->size) return b;
    return NULL;
}
static int allocate(uint64_t *result, uint64_t size, int kind) {
    void *memory;
    if (!size) return INVALID_VALUE;
    if (size > (1ull << 40) || posix_memalign(&memory, 256, size)) return OUT_OF_MEMORY;
    memset(memory, 0xAB, size);
    Block *b = malloc(sizeof *b);
    *b = (Block){(uint64_t)memory, size, kind, stack[depth - 1], blocks};
    blocks = b, *result = b->address, live[kind]++;
    return OK;
}
static int release(uint64_t address, int kind) {
    Block **b = &blocks, *gone;
    while (*b && ((*b)->address != address || (*b)->kind != kind)) b = &(*b)->next;
    if (!(gone = *b)) return INVALID_VALUE;
    *b = gone->next, live[kind]--, free((void *)gone->address), free(gone);
    return OK;
}

/* The stream behind a handle: 1 is the default stream of the current context. */
static Stream *meant(Stream *stream) {
    if ((uintptr_t)stream != 1) return stream;
    Stream **legacy = &stack[depth - 1]->legacy;
    LOCKED(if (!*legacy) { *legacy = make(sizeof **legacy, STREAM); live[STREAM]--; (*legacy)->next = streams; streams = *legacy; });
    return *legacy;
}

static void run_until(Stream *stream, long ticket);
static void run_graph(Graph *graph);
static void run(Op *op) {
    clock_ms += 1;
    switch (op->kind) {
    case COPY:
        if (!find(op->a, op->n) || !find(op->b, op->n)) sticky = ILLEGAL_ADDRESS;
        else memmove((void *)op->a, (void *)op->b, op->n);
        break;
    case SET:
        if (!find(op->a, op->n)) sticky = ILLEGAL_ADDRESS;
        else memset((void *)op->a, (int)op->b, op->n);
        break;
    case KERNEL: op->function->run(op->arguments); break;
    case RECORD: op->event->ms = clock_ms; break;
    case WAIT: if (op->stream) run_until(op->stream, op->ticket); break;
    case FREE: if (release(op->a, MEMORY)) sticky = ILLEGAL_ADDRESS; break;
    case LAUNCH: run_graph(op->graph); break;
    case SWITCH: if (selected[op->a] >= 0 && selected[op->a] < op->bodies) run_graph(op->body[selected[op->a]]); break;
    }
}
static void run_graph(Graph *graph) {
    for (int i = 0; i < graph->count; i++) selected[graph->handles[i]] = 0;
    for (Op *op = graph->first; op && !sticky; op = op->next) if (op->chained) run(op);
    for (Op *op = graph->first; op && !sticky; op = op->next) if (!op->chained) run(op); /* nothing waits for these */
}
static void run_until(Stream *stream, long ticket) {
    while (stream->done < ticket && stream->first && !sticky) {
        Op *op = stream->first;
        stream->first = op->next, stream->last = op->next ? stream->last : NULL;
        run(op);
        stream->done++;
    }
}
static void run_all(void) { for (Stream *s = streams; s; s = s->next) run_until(s, s->queued); }
static void append(Graph *graph, Op *op) {
    if (graph->last) graph->last->next = op; else graph->first = op;
    graph->last = op;
}
static int submit(Stream *stream, Op op) {
    int code = OK;
    stream = meant(stream);
    pthread_mutex_lock(&lock);
    if (!valid(stream, STREAM)) code = INVALID_HANDLE;
    else if (sticky) code = sticky;
    else if (stream->graph && stream->graph->invalid) code = CAPTURE_INVALIDATED;
    else if (stream->graph && op.kind == FREE) code = stream->graph->invalid = INVALID_VALUE;
    else {
        Op *kept = memcpy(malloc(sizeof op), &op, sizeof op);
        kept->next = NULL, kept->chained = 1;
        if (stream->graph) append(stream->graph, kept), stream->graph->tail = kept;
        else {
            if (stream->last) stream->last->next = kept; else stream->first = kept;
            stream->last = kept, stream->queued++;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

API cuInit(unsigned flags) { int code = injected("cuInit"); if (code) return code;
    if (started_in) return started_in == getpid() ? OK : NOT_INITIALIZED;
    if (!setting("EMULATOR_DEVICES", 1)) return NO_DEVICE;
    pthread_mutexattr_t kind; pthread_mutexattr_init(&kind); pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &kind);
    started_in = getpid(); return flags ? INVALID_VALUE : OK; }
API cuGetExportTable(const void **table, const void *id) { (void)id; *table = NULL; return NOT_FOUND; } /* NVRTC asks */
API cuDriverGetVersion(int *version) { *version = setting("EMULATOR_DRIVER", 12090); return OK; }
API cuGetErrorName(int code, const char **text) {
    static const struct { int code; const char *name; } names[] = {{1, "INVALID_VALUE"}, {2, "OUT_OF_MEMORY"},
        {3, "NOT_INITIALIZED"}, {100, "NO_DEVICE"}, {201, "INVALID_CONTEXT"}, {400, "INVALID_HANDLE"}, {500, "NOT_FOUND"},
        {600, "NOT_READY"}, {700, "ILLEGAL_ADDRESS"}, {801, "NOT_SUPPORTED"}, {900, "STREAM_CAPTURE_UNSUPPORTED"},
        {901, "STREAM_CAPTURE_INVALIDATED"}, {905, "STREAM_CAPTURE_ISOLATION"}};
    static __thread char words[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code) { snprintf(words, sizeof words, "CUDA_ERROR_%s", names[i].name); *text = words; return OK; }
    *text = NULL; return INVALID_VALUE; }
API cuGetErrorString(int code, const char **text) { int known = cuGetErrorName(code, text) == OK;
    *text = known ? "words of the emulator" : NULL; return known ? OK : INVALID_VALUE; }
API cuDeviceGetCount(int *count) { ENTER(0); *count = setting("EMULATOR_DEVICES", 1); return OK; }
API cuDeviceGet(int *device, int ordinal) { ENTER(0); *device = ordinal;
    return ordinal < setting("EMULATOR_DEVICES", 1) ? OK : INVALID_DEVICE; }
API cuDeviceGetName(char *name, int size, int device) { ENTER(0); snprintf(name, size, "Emulated GPU %d", device); return OK; }
API cuDeviceGetAttribute(int *value, int attribute, int device) { ENTER(0); (void)device;
    int capability = setting("EMULATOR_CAPABILITY", 75);
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10
           : attribute == 115 ? setting("EMULATOR_POOLS", 1) : 0;
    return OK; }

API cuDevicePrimaryCtxRetain(Context **context, int device) { ENTER(0); *context = &contexts[device];
    LOCKED((*context)->ordinal = device; live[CONTEXT] += !(*context)->refs++); return OK; }
API cuDevicePrimaryCtxRelease(int device) { ENTER(0);
    if (!contexts[device].refs) return INVALID_CONTEXT;
    LOCKED(run_all(); live[CONTEXT] -= !--contexts[device].refs);
    return OK; }
API cuCtxGetCurrent(Context **context) { ENTER(0); *context = depth ? stack[depth - 1] : NULL; return OK; }
API cuCtxPushCurrent(Context *context) { ENTER(0);
    if (!context || !context->refs || depth == 32) return INVALID_CONTEXT;
    stack[depth++] = context; return OK; }
API cuCtxPopCurrent(Context **context) { ENTER(1); *context = stack[--depth]; return OK; }
API cuCtxSetCurrent(Context *context) { ENTER(0); if (depth) depth--; if (context) stack[depth++] = context; return OK; }
API cuCtxCreate(Context **context, unsigned flags, int device) { ENTER(0); *context = calloc(1, sizeof **context);
    **context = (Context){1, device, NULL}; return flags ? INVALID_VALUE : cuCtxPushCurrent(*context); }
API cuCtxGetStreamPriorityRange(int *least, int *greatest) { ENTER(1); *least = 0, *greatest = -5; return OK; }
API cuThreadExchangeStreamCaptureMode(int *mode) { ENTER(0); int old = thread_mode; thread_mode = *mode, *mode = old; return OK; }

#define SAFELY(statement) int code; LOCKED(code = sticky ? sticky : unsafe(); if (!code) code = (statement)); return code
API cuMemAlloc(uint64_t *address, size_t size) { ENTER(1); SAFELY(allocate(address, size, MEMORY)); }
API cuMemHostAlloc(uint64_t *address, size_t size, unsigned flags) { ENTER(1); (void)flags; SAFELY(allocate(address, size, PINNED)); }
API cuMemFree(uint64_t address) { ENTER(1); SAFELY(release(address, MEMORY)); }
API cuMemFreeHost(uint64_t address) { ENTER(1); SAFELY(release(address, PINNED)); }
API cuMemHostGetDevicePointer(uint64_t *address, uint64_t host, unsigned flags) { ENTER(1); *address = host; return flags; }
API cuMemAllocAsync(uint64_t *address, size_t size, Stream *stream) { ENTER(1);
    if (!setting("EMULATOR_POOLS", 1)) return NOT_SUPPORTED;
    if (!valid(stream, STREAM) || stream->graph) return INVALID_VALUE;
    int code; LOCKED(code = sticky ? sticky : allocate(address, size, MEMORY)); return code; }
API cuMemFreeAsync(uint64_t address, Stream *s) { ENTER(1); return submit(s, (Op){.kind = FREE, .a = address}); }
API cuMemsetD8Async(uint64_t address, unsigned char value, size_t n, Stream *s) { ENTER(1);
    return submit(s, (Op){.kind = SET, .a = address, .b = value, .n = n}); }
API cuMemcpyAsync(uint64_t target, uint64_t source, size_t n, Stream *s) { ENTER(1);
    return submit(s, (Op){.kind = COPY, .a = target, .b = source, .n = n}); }
API cuPointerGetAttributes(unsigned count, int *attributes, void **values, uint64_t address) { ENTER(0);
    Block *b; LOCKED(b = find(address, 1));
    for (unsigned i = 0; i < count; i++)
        if (attributes[i] == 1) *(Context **)values[i] = b && b->kind == MEMORY && !setting("EMULATOR_POOLS", 1) ? b->context : NULL;
        else if (attributes[i] == 2) *(unsigned *)values[i] = !b ? 0 : b->kind == PINNED ? HOST : DEVICE;
        else if (attributes[i] == 9) *(int *)values[i] = b ? b->context->ordinal : -2;
        else return INVALID_VALUE;
    return OK; }

API cuStreamCreateWithPriority(Stream **stream, unsigned flags, int priority) { ENTER(1);
    int code; LOCKED(code = sticky ? sticky : unsafe()); if (code) return code;
    if (flags != 1 || priority > 0 || priority < -5) return INVALID_VALUE;
    LOCKED(*stream = make(sizeof **stream, STREAM); (*stream)->priority = priority; (*stream)->next = streams; streams = *stream);
    return OK; }
API cuStreamCreate(Stream **stream, unsigned flags) { ENTER(1); return cuStreamCreateWithPriority(stream, flags, 0); }
API cuStreamDestroy(Stream *s) { ENTER(1); int code;
    LOCKED(code = valid(s, STREAM) && !s->graph ? destroy(s, STREAM) : INVALID_HANDLE); return code; }
API cuStreamSynchronize(Stream *s) { ENTER(1); int code;
    LOCKED(code = !valid(s, STREAM) ? INVALID_HANDLE : s->graph ? (s->graph->invalid = 1, CAPTURE_UNSUPPORTED) : unsafe();
           if (!code) { run_until(s, s->queued); code = sticky; });
    return code; }
API cuStreamWaitEvent(Stream *s, Event *event, unsigned flags) { ENTER(1);
    if (!valid(event, EVENT) || !valid(s, STREAM) || event->object.context != s->object.context || flags) return INVALID_HANDLE;
    if (s->graph) { s->graph->invalid = 1; return CAPTURE_ISOLATION; } /* the event is of no capture */
    return submit(s, (Op){.kind = WAIT, .stream = event->stream, .ticket = event->ticket}); }
API cuEventCreate(Event **event, unsigned flags) { ENTER(1); int code = sticky; if (code) return code;
    LOCKED(*event = make(sizeof **event, EVENT); (*event)->timed = !(flags & 2)); return OK; }
API cuEventDestroy(Event *event) { ENTER(1); int code; LOCKED(code = destroy(event, EVENT)); return code; }
API cuEventRecord(Event *event, Stream *s) { ENTER(1); s = meant(s);
    if (!valid(event, EVENT) || !valid(s, STREAM) || event->object.context != s->object.context) return INVALID_HANDLE;
    int code = submit(s, (Op){.kind = RECORD, .event = event});
    if (!code && !s->graph) event->stream = s, event->ticket = s->queued;
    return code; }
API cuEventSynchronize(Event *event) { ENTER(1); int code;
    LOCKED(code = valid(event, EVENT) ? unsafe() : INVALID_HANDLE;
           if (!code) { if (event->stream) run_until(event->stream, event->ticket); code = sticky; });
    return code; }
API cuEventQuery(Event *event) { ENTER(1); int code; /* says how it is, then lets a little time pass */
    LOCKED(code = !valid(event, EVENT) ? INVALID_HANDLE : unsafe();
           if (!code) code = sticky ? sticky : !event->stream || event->stream->done >= event->ticket ? OK : NOT_READY;
           if (code == NOT_READY) run_until(event->stream, event->stream->done + 1));
    return code; }
API cuEventElapsedTime(float *ms, Event *start, Event *end) { ENTER(1);
    if (!valid(start, EVENT) || !valid(end, EVENT) || !start->timed || !end->timed) return INVALID_HANDLE;
    if (end->stream && end->stream->done < end->ticket) return NOT_READY;
    *ms = end->ms - start->ms; return OK; }

API cuModuleLoadData(void **module, const char *image) { ENTER(1); *module = functions;
    return memcmp(image, "\177ELF", 4) ? 200 : OK; }
API cuModuleGetFunction(Function **function, void *module, const char *name) { ENTER(1); (void)module;
    for (*function = functions; *function; *function = (*function)->next) if (!strcmp((*function)->name, name)) return OK;
    return NOT_FOUND; }
API cuLaunchKernel(Function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   Stream *s, void **arguments, void **extra) { ENTER(1); (void)shared, (void)extra;
    if (!gx || !gy || gz != 1 || !bx || bx > 1024 || by != 1 || bz != 1) return INVALID_VALUE;
    Op op = {.kind = KERNEL, .function = f};
    for (int i = 0; i < f->arguments; i++) op.arguments[i] = *(uint64_t *)arguments[i];
    return submit(s, op); }

API cuStreamBeginCapture(Stream *s, int mode) { ENTER(1);
    if (!valid(s, STREAM) || s->graph || s->first) return INVALID_VALUE;
    LOCKED(s->graph = make(sizeof(Graph), GRAPH); s->mode = mode; s->thread = pthread_self()); return OK; }
API cuStreamEndCapture(Stream *s, Graph **graph) { int code = enter(__func__, 1); *graph = NULL; /* ends it also if it fails */
    if (!valid(s, STREAM) || !s->graph) return INVALID_VALUE;
    if (s->mode != 2 && !pthread_equal(s->thread, pthread_self())) return CAPTURE_WRONG_THREAD;
    Graph *made = s->graph;
    s->graph = NULL;
    if (made->invalid || code) { LOCKED(destroy(made, GRAPH)); return code ? code : CAPTURE_INVALIDATED; }
    *graph = made; return OK; }
API cuStreamIsCapturing(Stream *s, int *status) { ENTER(1); if (!valid(s, STREAM)) return INVALID_HANDLE;
    *status = !s->graph ? 0 : s->graph->invalid ? 2 : 1; return OK; }
API cuStreamGetCaptureInfo(Stream *s, int *status, uint64_t *id, Graph **graph, Op ***nodes, uint64_t **edges, size_t *count) {
    static uint64_t edge[1];
    ENTER(1); int code = cuStreamIsCapturing(s, status); if (code || *status != 1) { *count = 0; return code; }
    *id = 1, *graph = s->graph, *nodes = &s->graph->tail, *edges = edge, *count = s->graph->tail ? 1 : 0; return OK; }
API cuStreamUpdateCaptureDependencies(Stream *s, Op **nodes, const void *edges, size_t count, unsigned flags) { ENTER(1); (void)edges;
    if (!valid(s, STREAM) || !s->graph || count != 1 || flags != 1 || nodes[0] != s->graph->last) return INVALID_VALUE;
    nodes[0]->chained = 1, s->graph->tail = nodes[0]; return OK; }
API cuGraphConditionalHandleCreate(uint64_t *handle, Graph *graph, Context *context, unsigned initial, unsigned flags) { ENTER(1);
    if (!valid(graph, GRAPH) || context != graph->object.context || initial || flags != 1) return INVALID_VALUE;
    LOCKED(*handle = ++selectors; graph->handles[graph->count++] = *handle); return OK; }
typedef struct { int type, reserved[3]; uint64_t handle; int kind; unsigned size; Graph **bodies; Context *context; } Params;
API cuGraphAddNode(Op **node, Graph *graph, Op **dependencies, const void *edges, size_t count, Params *params) { ENTER(1);
    int own = 0; (void)edges;
    for (int i = 0; i < graph->count; i++) own |= graph->handles[i] == (int)params->handle;
    if (params->type != 13 || params->kind != 2 || !params->size || !own || params->context != graph->object.context
        || (graph->tail && (count != 1 || dependencies[0] != graph->tail))) return INVALID_VALUE;
    Op *op = *node = calloc(1, sizeof *op);
    op->kind = SWITCH, op->a = params->handle, op->bodies = params->size, op->body = calloc(params->size, sizeof *op->body);
    for (unsigned i = 0; i < params->size; i++) (op->body[i] = calloc(1, sizeof(Graph)))->object = (Object){GRAPH, 1, params->context};
    params->bodies = op->body;
    append(graph, op); return OK; }
static int only_for_bodies(Graph *graph) {
    for (Op *op = graph->first; op; op = op->next)
        if (op->kind != COPY && op->kind != SET && op->kind != KERNEL) return 0;
    return 1; }
static Graph *copy(Graph *graph, int kind) {
    Graph *made = make(sizeof *made, kind);
    memcpy(made->handles, graph->handles, sizeof made->handles), made->count = graph->count;
    for (Op *op = graph->first; op; op = op->next) {
        Op *other = memcpy(malloc(sizeof *other), op, sizeof *op);
        other->next = NULL, append(made, other); }
    return made; }
API cuGraphAddChildGraphNode(Op **node, Graph *graph, Op **dependencies, size_t count, Graph *child) { ENTER(1); (void)dependencies;
    if (!valid(graph, GRAPH) || !valid(child, GRAPH) || count) return INVALID_VALUE;
    if (!only_for_bodies(child)) return NOT_SUPPORTED;
    Op *op = *node = calloc(1, sizeof *op);
    LOCKED(op->kind = LAUNCH; op->graph = copy(child, GRAPH); live[GRAPH]--); /* the node owns its copy */
    append(graph, op); return OK; }
API cuGraphGetNodes(Graph *graph, Op **nodes, size_t *count) { ENTER(1); (void)nodes;
    if (!valid(graph, GRAPH)) return INVALID_VALUE;
    *count = 0; for (Op *op = graph->first; op; op = op->next) ++*count; return OK; }
API cuGraphDestroy(Graph *graph) { ENTER(1); int code; LOCKED(code = destroy(graph, GRAPH)); return code; }
API cuGraphInstantiateWithFlags(Graph **exec, Graph *graph, unsigned long long flags) { ENTER(1);
    if (!valid(graph, GRAPH) || flags) return INVALID_VALUE;
    LOCKED(*exec = copy(graph, EXEC)); return OK; }
API cuGraphLaunch(Graph *exec, Stream *s) { ENTER(1); if (!valid(exec, EXEC)) return INVALID_HANDLE;
    return submit(s, (Op){.kind = LAUNCH, .graph = exec}); }
API cuGraphExecDestroy(Graph *exec) { ENTER(1); int code; LOCKED(code = destroy(exec, EXEC)); return code; }

API emulator_kernel(const char *name, int arguments, void (*run)(const uint64_t *)) {
    Function *f = functions;
    while (f && strcmp(f->name, name)) f = f->next;
    if (!f) f = calloc(1, sizeof *f), f->next = functions, functions = f;
    snprintf(f->name, sizeof f->name, "%s", name);
    f->arguments = arguments, f->run = run;
    return arguments <= MAX_ARGUMENTS ? OK : INVALID_VALUE; }
API emulator_select(int selector, int value) { selected[selector] = value; return OK; }
API emulator_live(int kind) { LOCKED(run_all()); return live[kind]; } /* when all is done */
API emulator_depth(void) { return depth; }
API emulator_priority(Stream *stream) { return stream->priority; }
API emulator_fail(const char *name, int code, int after) { /* the call after `after` good ones; "work": all work */
    if (!strcmp(name, "work")) sticky = code;
    else snprintf(fail_name, sizeof fail_name, "%s", name), fail_code = code, fail_after = after;
    return OK; }
__attribute__((destructor)) static void report(void) {
    FILE *file = getenv("EMULATOR_REPORT") && started_in == getpid() ? fopen(getenv("EMULATOR_REPORT"), "w") : NULL;
    for (int i = 0; file && i < KINDS; i++) fprintf(file, "%d ", live[i]);
    if (file) fclose(file); }

#define CALL(name) {#name, 0, name}
static const struct { const char *name; int since; void *call; } calls[] = {
    CALL(cuInit), CALL(cuDriverGetVersion), CALL(cuGetErrorName), CALL(cuGetErrorString), CALL(cuDeviceGetCount),
    CALL(cuDeviceGet), CALL(cuDeviceGetName), CALL(cuDeviceGetAttribute), CALL(cuDevicePrimaryCtxRetain),
    CALL(cuDevicePrimaryCtxRelease), CALL(cuCtxGetCurrent), CALL(cuCtxPushCurrent), CALL(cuCtxPopCurrent),
    CALL(cuCtxSetCurrent), CALL(cuCtxGetStreamPriorityRange), CALL(cuThreadExchangeStreamCaptureMode), CALL(cuMemAlloc),
    CALL(cuMemHostAlloc), CALL(cuMemFree), CALL(cuMemFreeHost), CALL(cuMemHostGetDevicePointer), CALL(cuMemAllocAsync),
    CALL(cuMemFreeAsync), CALL(cuMemsetD8Async), CALL(cuMemcpyAsync), CALL(cuPointerGetAttributes),
    CALL(cuStreamCreateWithPriority), CALL(cuStreamCreate), CALL(cuStreamDestroy), CALL(cuStreamSynchronize),
    CALL(cuStreamWaitEvent), CALL(cuEventCreate), CALL(cuEventDestroy), CALL(cuEventRecord), CALL(cuEventSynchronize),
    CALL(cuEventQuery), CALL(cuEventElapsedTime), CALL(cuModuleLoadData), CALL(cuModuleGetFunction), CALL(cuLaunchKernel),
    CALL(cuStreamBeginCapture), CALL(cuStreamEndCapture), CALL(cuStreamIsCapturing), CALL(cuGraphDestroy),
    CALL(cuGraphInstantiateWithFlags), CALL(cuGraphLaunch), CALL(cuGraphExecDestroy), CALL(cuGraphGetNodes),
    CALL(cuGraphAddChildGraphNode), {"cuStreamGetCaptureInfo", 12030, cuStreamGetCaptureInfo},
    {"cuStreamUpdateCaptureDependencies", 12030, cuStreamUpdateCaptureDependencies}, {"cuGraphAddNode", 12030, cuGraphAddNode},
    {"cuGraphConditionalHandleCreate", 12030, cuGraphConditionalHandleCreate}};
API cuGetProcAddress_v2(const char *name, void **call, int version, uint64_t flags, int *status) { (void)flags;
    int most = setting("EMULATOR_DRIVER", 12090); /* of a function with several forms, the one of `version` */
    *call = NULL; if (status) *status = 1;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(calls[i].name, name) && calls[i].since <= version && calls[i].since <= most) {
            *call = calls[i].call; if (status) *status = 0; return OK; }
    return NOT_FOUND; }
