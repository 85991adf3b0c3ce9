import SluiceBasics
import SluiceTelemetry
import SluiceWire

/// Where history is asked when it is in ClickHouse.
package struct ClickHouseHistoryConfiguration: Sendable {
    package var url: String
    package var user = "default"
    package var password = ""
    package var database = "otel"
    /// The table of spans that rows are derived from.
    package var spans = ClickHouseSchema.standardSpans
    /// Time for one question.
    package var timeout = Duration.seconds(10)
    /// How long rows are kept in a table that is made here; whole days.
    package var keep = Duration.seconds(30 * 86_400)

    package init(url: String) {
        var url = url
        while url.hasSuffix("/") { url.removeLast() }
        self.url = url
    }
}

/// Statements to a ClickHouse over HTTP.
struct ClickHouseClient: Sendable {
    /// An answer that is no good.
    struct Failure: Error {
        /// The server's number of the error; 0: not its own.
        var code: Int
        var words: String

        static let unknownTable = 60
        static let unknownDatabase = 81
        static let timeoutExceeded = 159
        static let memoryLimit = 241
        static let authentication = [192, 193, 194, 516]
    }

    let configuration: ClickHouseHistoryConfiguration
    let client: any HTTPClient

    private static let maximumAnswer = 32 << 20
    private static let maximumWords = 300

    /// Rows as JSON objects, one on each line.
    ///
    /// The server answers when it has all of it: it cannot fail any more once it has begun.
    ///
    /// - Throws: `Failure`, also for an answer with anything else in it.
    func rows(
        _ sql: String,
        _ parameters: [(name: String, value: String)] = []
    ) async throws(Failure) -> [ArraySlice<UInt8>] {
        let seconds = max(1, Int(self.configuration.timeout.inSeconds.rounded(.up)))
        // Rows of one request lie in one partition: each of them is merged by itself for FINAL.
        let settings =
            " SETTINGS max_execution_time = \(seconds), output_format_json_quote_64bit_integers = 0, "
            + "do_not_merge_across_partitions_select_final = 1"
        let body = try await self.run(sql + settings, parameters, timeout: self.configuration.timeout + .seconds(1))
        let lines = body.split(separator: UInt8(ascii: "\n"))
        for line in lines where line.first != UInt8(ascii: "{") || line.last != UInt8(ascii: "}") {
            throw Failure(code: 0, words: "the answer broke off: \(Self.words(Array(line)))")
        }
        return lines
    }

    @discardableResult
    func run(
        _ sql: String,
        _ parameters: [(name: String, value: String)] = [],
        timeout: Duration
    ) async throws(Failure) -> [UInt8] {
        var url = self.configuration.url + "/?default_format=JSONEachRow&wait_end_of_query=1"
        for (name, value) in parameters { url += "&param_\(name)=" + Self.escaped(value) }
        let request = HTTPClientRequest(
            url: url,
            headers: HTTPFields([
                ("X-ClickHouse-User", self.configuration.user), ("X-ClickHouse-Key", self.configuration.password),
                ("Content-Type", "text/plain; charset=utf-8"), ("User-Agent", "sluice"),
            ]),
            body: Array(sql.utf8),
            timeout: timeout,
            maximumResponseBytes: Self.maximumAnswer
        )
        let response: HTTPClientResponse
        do throws(HTTPClientError) {
            response = try await self.client.execute(request)
        } catch {
            throw Failure(code: 0, words: error.message)
        }
        guard response.status == 200 else {
            let code = response.headers["X-ClickHouse-Exception-Code"].flatMap { Int($0) } ?? 0
            throw Failure(code: code, words: "status \(response.status): \(Self.words(response.body))")
        }
        return response.body
    }

    /// The beginning of what a server says, on one line.
    private static func words(_ body: [UInt8]) -> String {
        String(decoding: body.prefix(Self.maximumWords).map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
    }

    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
