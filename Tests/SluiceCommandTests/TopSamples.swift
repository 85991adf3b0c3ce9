@testable import SluiceDoctor
@testable import sluice

/// Answers of a gateway, as short as tests want them.
enum TopSamples {
    static func pool(
        _ id: String = "default",
        mode: String = "running",
        queued: Int = 0,
        inFlight: Int = 0,
        slots: Int = 8,
        ended: [String: Int] = [:],
        more: String = ""
    ) -> String {
        let books = ended.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        return """
            {"id":"\(id)","mode":"\(mode)","queued":\(queued),"in_flight":\(inFlight),"slots":\(slots),\
            "breaker":{"state":"closed"},"books":{"ended":{\(books)}}\(more.isEmpty ? "" : "," + more)}
            """
    }

    static func runtime(summary: String = "", dispatchers: [String] = [], requests: [String] = []) -> String {
        """
        {"status":"OK","result":{"contract_version":"v2","runtime_summary":{\(summary)},"pool_config":[],\
        "live_requests":[\(requests.joined(separator: ","))],"dispatchers":[\(dispatchers.joined(separator: ","))]}}
        """
    }

    static func dispatcher(_ id: String, pool: String = "default", _ more: String) -> String {
        #"{"dispatcher_id":"\#(id)","pool_id":"\#(pool)","valkey_configured":true,\#(more)}"#
    }

    static func request(_ id: String, stage: String = "executing", _ more: String = #""pool_id":"default""#) -> String {
        #"{"request_id":"\#(id)","lifecycle_stage":"\#(stage)",\#(more)}"#
    }

    static func seen(
        _ at: Double,
        pools: [String],
        runtime: String,
        gatewayTime: Double? = nil
    ) throws -> TopObservation {
        TopObservation(
            at: at,
            gatewayTime: gatewayTime,
            pools: try PoolReading.read(Array("{\"pools\":[\(pools.joined(separator: ","))]}".utf8)),
            runtime: try RuntimeReading.read(Array(runtime.utf8))
        )
    }
}
