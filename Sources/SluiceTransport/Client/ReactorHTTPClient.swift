import CCurl
import SluiceBasics
import SluiceWire

/// An HTTP client on the reactors: a call from a reactor's task stays on that reactor.
package final class ReactorHTTPClient: HTTPClient {
    private let reactors: ReactorGroup
    private let drivers: [HTTPClientDriver]

    package init(configuration: HTTPClientConfiguration, reactors: ReactorGroup) {
        _ = Self.isInitialised
        self.reactors = reactors
        self.drivers = reactors.reactors.map { HTTPClientDriver($0, configuration) }
    }

    private static let isInitialised: Bool = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    package func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        let driver = self.drivers[self.reactors.preferred().index]
        let transfer = HTTPTransfer(driver, request, .whole)
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<HTTPTransfer.Whole, Never>) in
                if driver.reactor.isCurrent {
                    transfer.start(continuation)
                } else {
                    driver.reactor.post { transfer.start(continuation) }
                }
            }
        } onCancel: {
            driver.reactor.post { transfer.cancel() }
        }
        return try result.get()
    }

    package func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        let driver = self.drivers[self.reactors.preferred().index]
        let transfer = HTTPTransfer(driver, request, .streamed)
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<HTTPTransfer.Head, Never>) in
                if driver.reactor.isCurrent {
                    transfer.start(continuation)
                } else {
                    driver.reactor.post { transfer.start(continuation) }
                }
            }
        } onCancel: {
            driver.reactor.post { transfer.cancel() }
        }
        return try result.get()
    }
}
