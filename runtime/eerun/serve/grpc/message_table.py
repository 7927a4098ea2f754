"""Messages of the Open Inference Protocol, of Triton's extensions of it that are here, and of gRPC's health service.

Names, numbers and types are those that are published. A field is `type name number`; `type[]` is repeated, `map:type`
maps strings to it. Types with a capital letter are messages or enums, by their names in the package.
"""

__all__ = ["ENUMS", "HEALTH", "INFERENCE", "MESSAGES", "METHODS", "ONEOFS"]

INFERENCE, HEALTH = "inference", "grpc.health.v1"

REQUESTS = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready 1",
    "ModelReadyRequest": "string name 1, string version 2",
    "ModelReadyResponse": "bool ready 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name 1, string version 2, string[] extensions 3",
    "ModelMetadataRequest": "string name 1, string version 2",
    "ModelMetadataResponse": "string name 1, string[] versions 2, string platform 3, "
    "ModelMetadataResponse.TensorMetadata[] inputs 4, ModelMetadataResponse.TensorMetadata[] outputs 5",
    "ModelMetadataResponse.TensorMetadata": "string name 1, string datatype 2, int64[] shape 3",
}

INFER = {
    "InferParameter": "bool bool_param 1, int64 int64_param 2, string string_param 3, double double_param 4, "
    "uint64 uint64_param 5",
    "InferTensorContents": "bool[] bool_contents 1, int32[] int_contents 2, int64[] int64_contents 3, "
    "uint32[] uint_contents 4, uint64[] uint64_contents 5, float[] fp32_contents 6, double[] fp64_contents 7, "
    "bytes[] bytes_contents 8",
    "ModelInferRequest": "string model_name 1, string model_version 2, string id 3, map:InferParameter parameters 4, "
    "ModelInferRequest.InferInputTensor[] inputs 5, ModelInferRequest.InferRequestedOutputTensor[] outputs 6, "
    "bytes[] raw_input_contents 7",
    "ModelInferRequest.InferInputTensor": "string name 1, string datatype 2, int64[] shape 3, "
    "map:InferParameter parameters 4, InferTensorContents contents 5",
    "ModelInferRequest.InferRequestedOutputTensor": "string name 1, map:InferParameter parameters 2",
    "ModelInferResponse": "string model_name 1, string model_version 2, string id 3, map:InferParameter parameters 4, "
    "ModelInferResponse.InferOutputTensor[] outputs 5, bytes[] raw_output_contents 6",
    "ModelInferResponse.InferOutputTensor": "string name 1, string datatype 2, int64[] shape 3, "
    "map:InferParameter parameters 4, InferTensorContents contents 5",
}

STATISTICS = {
    "ModelStatisticsRequest": "string name 1, string version 2",
    "ModelStatisticsResponse": "ModelStatistics[] model_stats 1",
    "ModelStatistics": "string name 1, string version 2, uint64 inference_count 4, uint64 execution_count 5, "
    "InferStatistics inference_stats 6, InferBatchStatistics[] batch_stats 7",
    "InferStatistics": "StatisticDuration success 1, StatisticDuration fail 2, StatisticDuration queue 3, "
    "StatisticDuration compute_input 4, StatisticDuration compute_infer 5, StatisticDuration compute_output 6, "
    "StatisticDuration cache_hit 7, StatisticDuration cache_miss 8",
    "InferBatchStatistics": "uint64 batch_size 1, StatisticDuration compute_input 2, "
    "StatisticDuration compute_infer 3, StatisticDuration compute_output 4",
    "StatisticDuration": "uint64 count 1, uint64 ns 2",
}

CONFIG = {
    "ModelConfigRequest": "string name 1, string version 2",
    "ModelConfigResponse": "ModelConfig config 1",
    "ModelConfig": "string name 1, string platform 2, int32 max_batch_size 4, ModelInput[] input 5, "
    "ModelOutput[] output 6, ModelDynamicBatching dynamic_batching 11, string backend 17",
    "ModelInput": "string name 1, DataType data_type 2, int64[] dims 4, ModelTensorReshape reshape 5",
    "ModelOutput": "string name 1, DataType data_type 2, int64[] dims 3, ModelTensorReshape reshape 5",
    "ModelTensorReshape": "int64[] shape 1",
    "ModelDynamicBatching": "uint64 max_queue_delay_microseconds 2",
}

REPOSITORY = {
    "ModelRepositoryParameter": "bool bool_param 1, int64 int64_param 2, string string_param 3, bytes bytes_param 4",
    "RepositoryIndexRequest": "string repository_name 1, bool ready 2",
    "RepositoryIndexResponse": "RepositoryIndexResponse.ModelIndex[] models 1",
    "RepositoryIndexResponse.ModelIndex": "string name 1, string version 2, string state 3, string reason 4",
    "RepositoryModelLoadRequest": "string repository_name 1, string model_name 2, "
    "map:ModelRepositoryParameter parameters 3",
    "RepositoryModelLoadResponse": "",
    "RepositoryModelUnloadRequest": "string repository_name 1, string model_name 2, "
    "map:ModelRepositoryParameter parameters 3",
    "RepositoryModelUnloadResponse": "",
}

MESSAGES = {
    INFERENCE: {**REQUESTS, **INFER, **STATISTICS, **CONFIG, **REPOSITORY},
    HEALTH: {
        "HealthCheckRequest": "string service 1",
        "HealthCheckResponse": "HealthCheckResponse.ServingStatus status 1",
    },
}

ENUMS: dict[str, dict[str, tuple[str, ...]]] = {
    INFERENCE: {
        "DataType": (
            "TYPE_INVALID",
            "TYPE_BOOL",
            "TYPE_UINT8",
            "TYPE_UINT16",
            "TYPE_UINT32",
            "TYPE_UINT64",
            "TYPE_INT8",
            "TYPE_INT16",
            "TYPE_INT32",
            "TYPE_INT64",
            "TYPE_FP16",
            "TYPE_FP32",
            "TYPE_FP64",
            "TYPE_STRING",
            "TYPE_BF16",
        )
    },
    HEALTH: {"HealthCheckResponse.ServingStatus": ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")},
}
"""Their values count up from 0."""

ONEOFS = {"InferParameter": "parameter_choice", "ModelRepositoryParameter": "parameter_choice"}
"""Messages all of whose fields exclude each other, and the name of the choice."""

METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelConfig",
    "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
)
"""Of `inference.GRPCInferenceService`; the messages of `Name` are `NameRequest` and `NameResponse`."""
