import CCurl

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What libcurl calls. A transfer is retained by its driver while libcurl has it.
enum HTTPClientCallbacks {
    private static func transfer(_ context: UnsafeMutableRawPointer?) -> HTTPTransfer? {
        guard let context else { return nil }
        return Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
    }

    static let header: sluice_transfer_callback = { bytes, size, count, context in
        Self.transfer(context)?.header(UnsafeRawBufferPointer(start: bytes, count: size * count))
        return size * count
    }

    static let write: sluice_transfer_callback = { bytes, size, count, context in
        guard let transfer = Self.transfer(context) else { return 0 }
        switch transfer.body(UnsafeRawBufferPointer(start: bytes, count: size * count)) {
        case .took: return size * count
        case .pause: return Int(CURL_WRITEFUNC_PAUSE)
        case .refuse: return 0
        }
    }

    static let read: sluice_transfer_callback = { bytes, size, count, context in
        Self.transfer(context)?.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count)) ?? 0
    }

    static let seek: sluice_seek_callback = { context, offset, origin in
        let isDone = origin == SEEK_SET && Self.transfer(context)?.seek(to: Int(offset)) == true
        return isDone ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
    }

    static let open: sluice_open_callback = { context, _, address in
        guard let context, let address else { return CURL_SOCKET_BAD }
        let descriptor = sluice_open_socket(address)
        guard descriptor >= 0 else { return CURL_SOCKET_BAD }
        Unmanaged<HTTPClientDriver>.fromOpaque(context).takeUnretainedValue().opened(descriptor)
        return descriptor
    }

    static let close: sluice_close_callback = { context, descriptor in
        guard let context else { return 1 }
        Unmanaged<HTTPClientDriver>.fromOpaque(context).takeUnretainedValue().closed(descriptor)
        return Glibc.close(descriptor)
    }
}
