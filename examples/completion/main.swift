// Asks a model for an answer, whole and as a stream, and for embeddings.
//
//     OPENAI_API_KEY=… swift run completion-example openai/gpt-4o "Why is the sky blue?"
//
// With OPENAI_BASE_URL=http://localhost:8080/v1 it asks whatever listens there.

import SluiceCompletion

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

guard CommandLine.arguments.count == 3 else {
    print("usage: completion-example provider/model question")
    exit(2)
}
let model = CommandLine.arguments[1]
let messages: [ChatMessage] = [.user(CommandLine.arguments[2])]
let client = CompletionClient()

do {
    let answer = try await client.completion(model: model, messages: messages)
    print("whole:", answer.text)

    print("stream: ", terminator: "")
    for try await event in client.stream(model: model, messages: messages) {
        print(event.text ?? "", terminator: "")
    }
    print("")

    let embeddings = try await client.embedding(model: model, texts: ["one", "two"])
    print("embeddings:", embeddings.vectors.count)
} catch {
    print("error:", error.kind.rawValue, error.status ?? 0, error.message)
    exit(1)
}
