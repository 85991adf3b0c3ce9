/// What can be told of a waiting request from the first and the last bytes of its element, so that listing a queue
/// does not move payloads.
///
/// Our own envelopes begin with all that is asked here. Producers that sort their keys have it at the end, after the
/// call. Everything may be missing: others may write as they like.
package struct PendingSummary: Sendable, Equatable {
    package var identity: EnvelopeIdentity
    package var submittedAt: Double?
    package var timeoutSeconds: Double?
    package var dispatchProfileKey: String?
    package var estimatedCostUnits: Int?

    package static func read(head: ArraySlice<UInt8>, tail: ArraySlice<UInt8> = []) -> PendingSummary {
        var members = JSONMembers.scan(head)
        if !members.contains(where: { $0.name == "request_id" }) {
            members += Self.closing(tail)
        }
        var summary = PendingSummary(identity: EnvelopeIdentity())
        summary.identity = EnvelopeIdentity.find(among: members)
        for member in members where member.value.count <= EnvelopeLimits.identifierBytes {
            switch member.name {
            case "submitted_at": summary.submittedAt = summary.submittedAt ?? JSONMembers.number(member.value)
            case "timeout_seconds": summary.timeoutSeconds = summary.timeoutSeconds ?? JSONMembers.number(member.value)
            case "dispatch_profile_key":
                summary.dispatchProfileKey = summary.dispatchProfileKey ?? JSONMembers.string(member.value)
            case "estimated_cost_units":
                summary.estimatedCostUnits = summary.estimatedCostUnits ?? JSONMembers.integer(member.value)
            default: break
            }
        }
        return summary
    }

    /// The last top-level members of a document whose keys are sorted and whose end this is.
    private static func closing(_ tail: ArraySlice<UInt8>) -> [RawMember] {
        for name in ["\"contract_version\"", "\"producer_id\""] {
            guard let start = Self.last(Array(name.utf8), in: tail) else { continue }
            return JSONMembers.scan(([UInt8(ascii: "{")] + tail[start...])[...])
        }
        return []
    }

    private static func last(_ wanted: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= wanted.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - wanted.count)).reversed().first { start in
            bytes[start..<(start + wanted.count)].elementsEqual(wanted)
        }
    }
}
