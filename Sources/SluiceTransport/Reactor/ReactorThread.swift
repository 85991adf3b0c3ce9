#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Which reactor, if any, the calling thread belongs to.
enum ReactorThread {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// A thread keeps its reactor alive while it runs, so an unretained pointer stays good.
    static var current: Reactor? {
        @inline(always) get {
            guard let context = pthread_getspecific(self.key) else { return nil }
            return Unmanaged<Reactor>.fromOpaque(context).takeUnretainedValue()
        }
        set {
            pthread_setspecific(self.key, newValue.map { Unmanaged.passUnretained($0).toOpaque() })
        }
    }
}
