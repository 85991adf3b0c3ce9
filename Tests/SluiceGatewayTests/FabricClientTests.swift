import SluiceCore
import SluiceProviders
import SluiceWire
import Testing

@testable import SluiceGateway

/// What a gateway makes of a dispatcher's reply.
@Suite struct FabricClientTests {
    private func reply(_ message: String, _ extras: ReplyExtras?) -> ReplyEnvelope {
        ReplyEnvelope(
            requestID: "r",
            producerID: "p",
            poolID: "default",
            completedAt: 1,
            dispatcherID: "d",
            backendAddress: nil,
            outcome: .failure(ReplyFailure(type: "BadRequestError", message: message)),
            extras: extras
        )
    }

    @Test func `a provider's words go to the client, not into records and logs`() {
        let body = #"{"error":{"message":"cannot read 'secret prompt'"}}"#
        var passed = ReplyExtras(status: 400, outcome: "failed/backend")
        passed.errorBody = Array(body.utf8)[...]
        for extras in [passed, ReplyExtras(status: 400, outcome: "failed/backend"), nil] {
            let answer = FabricClient.response(self.reply("cannot read 'secret prompt'", extras))
            #expect(answer.status == 400 && String(decoding: answer.body, as: UTF8.self).contains("secret prompt"))
            guard case .failure(let failure) = FabricClient.verdict(answer) else {
                Issue.record("it is no success")
                continue
            }
            #expect(failure.message == "the fabric answered with status 400, failed/backend")
        }
    }
}
