/// What an HTTP status says by itself.
package enum StatusKinds {
    package static func kind(_ status: Int) -> ProviderError.Kind {
        switch status {
        case 401: .authentication
        case 402: .budget
        case 403: .permission
        case 404, 410: .notFound
        case 408, 504: .timeout
        case 413: .payloadTooLarge
        case 429: .rateLimit
        case 499: .cancelled
        case 502: .badGateway
        case 503, 529: .serviceUnavailable
        case 500...: .internalError
        default: .badRequest
        }
    }
}
