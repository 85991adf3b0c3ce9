import CMicroHTTPD
import SluiceWire

/// Copies a request's head out of libmicrohttpd.
enum HTTPHeadReader {
    static func read(_ handle: OpaquePointer, into exchange: HTTPExchange) {
        exchange.headers.reserve(fields: 16, bytes: 512)
        let context = Unmanaged.passUnretained(exchange).toOpaque()
        MHD_get_connection_values_n(handle, .HEADER_KIND, Self.header, context)
        MHD_get_connection_values_n(handle, .GET_ARGUMENT_KIND, Self.parameter, context)
    }

    private static let header: MHD_KeyValueIteratorN = { context, _, name, nameSize, value, valueSize in
        guard let context, let name else { return .YES }
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(context).takeUnretainedValue()
        exchange.headers.append(
            name: UnsafeRawBufferPointer(start: name, count: nameSize),
            value: UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
        )
        return .YES
    }

    private static let parameter: MHD_KeyValueIteratorN = { context, _, name, nameSize, value, valueSize in
        guard let context, let name else { return .YES }
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(context).takeUnretainedValue()
        let valueBytes = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
        exchange.query.append(
            (
                String(decoding: UnsafeRawBufferPointer(start: name, count: nameSize), as: UTF8.self),
                String(decoding: valueBytes, as: UTF8.self)
            )
        )
        return .YES
    }
}

/// Hands a response's fields to libmicrohttpd.
enum HTTPHeadWriter {
    static func write(_ headers: HTTPFields, closing: Bool, to response: OpaquePointer) {
        // libmicrohttpd takes C strings; one buffer serves every field.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2048) { scratch in
            headers.forEach { name, value in
                // The body decides about these two.
                if Self.isFraming(name) { return }
                Self.add(name, value, scratch, to: response)
            }
        }
        if closing { MHD_add_response_header(response, "Connection", "close") }
    }

    private static func add(
        _ name: ArraySlice<UInt8>,
        _ value: ArraySlice<UInt8>,
        _ scratch: UnsafeMutableBufferPointer<CChar>,
        to response: OpaquePointer
    ) {
        guard name.count + value.count + 2 <= scratch.count, let base = scratch.baseAddress else {
            MHD_add_response_header(
                response,
                String(decoding: name, as: UTF8.self),
                String(decoding: value, as: UTF8.self)
            )
            return
        }
        var index = 0
        for byte in name {
            base[index] = CChar(bitPattern: byte)
            index += 1
        }
        base[index] = 0
        index += 1
        let valueStart = base + index
        for byte in value {
            base[index] = CChar(bitPattern: byte)
            index += 1
        }
        base[index] = 0
        MHD_add_response_header(response, base, valueStart)
    }

    private static func isFraming(_ name: ArraySlice<UInt8>) -> Bool {
        switch name.count {
        case 14: Self.equals(name, "content-length")
        case 17: Self.equals(name, "transfer-encoding")
        default: false
        }
    }

    private static func equals(_ bytes: ArraySlice<UInt8>, _ lowercase: StaticString) -> Bool {
        lowercase.withUTF8Buffer { wanted in zip(bytes, wanted).allSatisfy { $0 | 0x20 == $1 | 0x20 } }
    }
}
