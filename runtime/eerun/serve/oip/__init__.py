"""What the Open Inference Protocol v2 says, without a transport: tensors, requests, answers, metadata."""
