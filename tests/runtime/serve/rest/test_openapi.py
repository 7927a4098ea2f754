"""schemathesis on the whole HTTP interface: nothing gives 500, and every answer is what the document says."""

import json
from itertools import product

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from raw_http import get
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_answer_is_what_the_document_says(server):
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    wrong = [(operation, GenerationMode.NEGATIVE) for operation in operations if operation.method == "post"]
    for operation, mode in (*product(operations, [GenerationMode.POSITIVE]), *wrong):

        @seed(0)
        @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            case.call_and_validate(checks=CHECKS, timeout=10)

        ask()
    assert len(operations) == 17


def test_the_server_is_well_afterwards(server):
    assert get(server, "/v2/health/ready").status == 200
    paths = json.loads(get(server, "/openapi.json").body)["paths"]
    assert len(paths) == 17
    assert {"/v2/models/{model}/infer", "/v2/repository/index"} <= set(paths)
