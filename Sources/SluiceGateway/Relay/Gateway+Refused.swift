import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// Work that is turned away before the dispatcher sees it: it is logged, and booked as rejected where it is known whose
// and what it was. Who may not ask (401, 403) has not submitted anything.
extension Gateway {
    package func refused(_ refusal: HTTPRefusal) {
        let path = refusal.request?.path ?? ""
        self.noteRefusal(path, refusal.status, refusal.code, client: refusal.remoteAddress)
        guard let request = refusal.request, request.method == .post, path.hasPrefix("/v1/"),
            let operation = OpenAIOperation(rawValue: String(path.dropFirst(4))), self.mayAsk(request)
        else { return }
        let error = GatewayError(
            status: refusal.status,
            message: refusal.message,
            type: "invalid_request_error",
            code: refusal.code
        )
        _ = self.booked(error, request, operation, self.newID())
    }

    private func mayAsk(_ request: HTTPRequest) -> Bool {
        do throws(GatewayError) {
            _ = try self.keys.caller(request.headers)
            return true
        } catch {
            return false
        }
    }

    func noteRefusal(_ path: String, _ status: Int, _ code: String, client: String) {
        self.log(
            LogEntry(
                .info,
                "request refused",
                [("path", String(path.prefix(200))), ("status", String(status)), ("code", code), ("client", client)]
            )
        )
    }

    /// Books a request that cannot be submitted, in the pool it would have gone to, and names it to the client.
    func booked(
        _ error: GatewayError,
        _ request: HTTPRequest,
        _ operation: OpenAIOperation,
        _ id: RequestID
    ) -> GatewayError {
        let reason: OutcomeReason
        switch error.status {
        case 400, 404, 408, 431: reason = .malformed
        case 413: reason = .oversize
        default: return error
        }
        let caller = try? self.keys.caller(request.headers)
        let known = try? caller.map { caller throws(GatewayError) in
            try Ingress.pool(request.headers, caller: caller, nil, self.configuration)
        }
        let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
        let submission = Submission(
            id: id,
            pool: known ?? caller?.defaultPool ?? self.configuration.defaultPool,
            tenant: caller?.tenant ?? "default",
            producer: caller?.keyName,
            model: "",
            operation: operation.rawValue,
            payloadBytes: max(request.body.count, length),
            deadline: self.clock.now()
        )
        self.dispatcher.reject(submission, Rejection(reason, message: error.message))
        return error.naming(id)
    }
}
