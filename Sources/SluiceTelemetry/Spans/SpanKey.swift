/// Names of attributes. A closed list, so that encoders know each of them before the first span comes.
package enum SpanKey: UInt8, CaseIterable, Sendable {
    // What a runtime for language models calls it.
    case marieRequestID, marieProducerID, mariePoolID, marieFabricGroupID, marieGatewayID, marieDispatcherID
    case marieProfileKey, marieBackendAddress, marieModel, marieQueueWait, marieMessageCount, marieContractVersion
    case marieStatus, marieExecution, marieTotal, marieErrorType, marieErrorMessage
    // OpenTelemetry's conventions.
    case operationName, providerName, requestModel, responseModel, inputTokens, outputTokens, cachedTokens
    case cacheWriteTokens, reasoningTokens, errorType, serverAddress, serverPort, httpStatus
    case inputMessages, outputMessages
    // OpenInference's.
    case spanKind
    // Ours: with these an `ExecutionRow` is whole.
    case requestID, remoteID, pool, tenant, priority, operation, isStream, producer, fabricGroup, gateway, dispatcher
    case backend, errorClass, outcome, reason, message, queued, firstToken, execution, cost, payloadBytes
    case messageCount, attempts, attemptList
    // Of attempts.
    case attemptNumber, attemptHedge, attemptRetry
    // Of events.
    case exceptionType, exceptionMessage, delay, breakerState
    // Of resources.
    case serviceName, serviceVersion, serviceInstance

    package var name: String {
        switch self {
        case .marieRequestID: "marie.llm_dispatch.request_id"
        case .marieProducerID: "marie.llm_dispatch.producer_id"
        case .mariePoolID: "marie.llm_dispatch.pool_id"
        case .marieFabricGroupID: "marie.llm_dispatch.fabric_group_id"
        case .marieGatewayID: "marie.llm_dispatch.gateway_id"
        case .marieDispatcherID: "marie.llm_dispatch.dispatcher_id"
        case .marieProfileKey: "marie.llm_dispatch.dispatch_profile_key"
        case .marieBackendAddress: "marie.llm_dispatch.backend_address"
        case .marieModel: "marie.llm_dispatch.model"
        case .marieQueueWait: "marie.llm_dispatch.queue_wait_ms"
        case .marieMessageCount: "marie.llm_dispatch.message_count"
        case .marieContractVersion: "marie.llm_dispatch.contract_version"
        case .marieStatus: "marie.llm_dispatch.status"
        case .marieExecution: "marie.llm_dispatch.execution_ms"
        case .marieTotal: "marie.llm_dispatch.total_latency_ms"
        case .marieErrorType: "marie.llm_dispatch.error_type"
        case .marieErrorMessage: "marie.llm_dispatch.error_message"
        case .operationName: "gen_ai.operation.name"
        case .providerName: "gen_ai.provider.name"
        case .requestModel: "gen_ai.request.model"
        case .responseModel: "gen_ai.response.model"
        case .inputTokens: "gen_ai.usage.input_tokens"
        case .outputTokens: "gen_ai.usage.output_tokens"
        case .cachedTokens: "gen_ai.usage.cache_read.input_tokens"
        case .cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens"
        case .reasoningTokens: "gen_ai.usage.reasoning.output_tokens"
        case .errorType: "error.type"
        case .serverAddress: "server.address"
        case .serverPort: "server.port"
        case .httpStatus: "http.response.status_code"
        case .inputMessages: "gen_ai.input.messages"
        case .outputMessages: "gen_ai.output.messages"
        case .spanKind: "openinference.span.kind"
        default: self.ownName
        }
    }

    private var ownName: String {
        switch self {
        case .requestID: "sluice.request.id"
        case .remoteID: "sluice.request.remote_id"
        case .pool: "sluice.pool"
        case .tenant: "sluice.tenant"
        case .priority: "sluice.priority"
        case .operation: "sluice.operation"
        case .isStream: "sluice.stream"
        case .producer: "sluice.producer"
        case .fabricGroup: "sluice.fabric_group"
        case .gateway: "sluice.gateway"
        case .dispatcher: "sluice.dispatcher"
        case .backend: "sluice.backend"
        case .errorClass: "sluice.error_class"
        case .outcome: "sluice.outcome"
        case .reason: "sluice.reason"
        case .message: "sluice.message"
        case .queued: "sluice.queue_us"
        case .firstToken: "sluice.first_token_us"
        case .execution: "sluice.execution_us"
        case .cost: "sluice.cost_nanodollars"
        case .payloadBytes: "sluice.payload_bytes"
        case .messageCount: "sluice.message_count"
        case .attempts: "sluice.attempts"
        case .attemptList: "sluice.attempt_list"
        case .attemptNumber: "sluice.attempt.number"
        case .attemptHedge: "sluice.attempt.hedge"
        case .attemptRetry: "sluice.attempt.retry_us"
        case .exceptionType: "exception.type"
        case .exceptionMessage: "exception.message"
        case .delay: "sluice.delay_us"
        case .breakerState: "sluice.breaker.state"
        case .serviceName: "service.name"
        case .serviceVersion: "service.version"
        default: "service.instance.id"
        }
    }
}

/// Names of spans.
package enum SpanName: UInt8, CaseIterable, Sendable {
    /// One for every request that has ended: what is counted.
    case completion
    /// A gateway's view of a request whose end a dispatcher tells.
    case request
    /// A dispatcher's view of a request whose end its gateway tells.
    case execution
    /// One call of a backend.
    case attempt

    package var name: String {
        switch self {
        case .completion: "LLMDispatch.completion"
        case .request: "LLMDispatch.request"
        case .execution: "LLMDispatch.execution"
        case .attempt: "LLMDispatch.attempt"
        }
    }

    var kind: SpanKind { self == .attempt ? .client : .internal }
}

/// As OTLP numbers them.
package enum SpanKind: UInt8, Sendable {
    case `internal` = 1
    case client = 3
}

package enum SpanEventName: UInt8, CaseIterable, Sendable {
    case claimed
    case firstByte
    case retry
    case breaker
    case exception

    package var name: String {
        switch self {
        case .claimed: "claimed"
        case .firstByte: "first_byte"
        case .retry: "retry"
        case .breaker: "breaker"
        case .exception: "exception"
        }
    }
}
